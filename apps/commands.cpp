#include "apps/commands.h"

namespace akimbo::apps {

std::vector<Command> all_commands() {
  // One a line, so that branches which add one do not clash.
  // clang-format off
  return {
      train_command(),
      eval_command(),
      predict_command(),
      convert_command(),
      run_command(),
      synth_command(),
      inspect_command(),
      bench_command(),
      browse_command(),
      configs_command(),
      selftest_command(),
      version_command(),
  };
  // clang-format on
}

}  // namespace akimbo::apps
