#include "apps/cli.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/error.h"

namespace akimbo::apps {

int run_program(int argc, const char* const* argv) {
  CLI::App app("akimbo: human pose networks, trained, evaluated and run", "akimbo");
  app.require_subcommand(1);
  app.add_subcommand("version", "print the version")->callback([] {
    fmt::print("akimbo {}\n", AKIMBO_VERSION);
  });
  try {
    app.parse(argc, argv);
    return kExitDone;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitDone : kExitUsage;
  } catch (const std::exception& e) {
    fmt::print(stderr, "akimbo: {}\n", e.what());
    return kExitFailed;
  }
}

}  // namespace akimbo::apps
