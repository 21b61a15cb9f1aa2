#include <fmt/format.h>

#include "apps/cli.h"
#include "apps/commands.h"

namespace akimbo::apps {

Command version_command() {
  return {"version", "print the version", "akimbo version", [](Options&) {
            return [] {
              fmt::print("akimbo {}\n", AKIMBO_VERSION);
              return int{kExitDone};
            };
          }};
}

}  // namespace akimbo::apps
