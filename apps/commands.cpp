#include "apps/commands.h"

namespace akimbo::apps {

std::vector<Command> all_commands() {
  return {
      convert_command(),
      configs_command(),
      inspect_command(),
      synth_command(),
      version_command(),
  };
}

}  // namespace akimbo::apps
