// Every subcommand, one line each; a new one adds its line here and in commands.cpp.
#pragma once

#include <vector>

#include "apps/command.h"

namespace akimbo::apps {

[[nodiscard]] Command bench_command();
[[nodiscard]] Command browse_command();
[[nodiscard]] Command configs_command();
[[nodiscard]] Command convert_command();
[[nodiscard]] Command eval_command();
[[nodiscard]] Command inspect_command();
[[nodiscard]] Command predict_command();
[[nodiscard]] Command run_command();
[[nodiscard]] Command selftest_command();
[[nodiscard]] Command synth_command();
[[nodiscard]] Command train_command();
[[nodiscard]] Command version_command();

// In the order in which --help lists them.
[[nodiscard]] std::vector<Command> all_commands();

}  // namespace akimbo::apps
