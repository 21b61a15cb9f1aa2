// The program's command line: subcommands, and the exit codes that scripts rely on.
#pragma once

namespace akimbo::apps {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,      // failed at run time
  kExitUsage = 2,       // wrong usage or config
  kExitBadData = 3,     // missing or corrupt data
  kExitDevice = 4,      // device, driver or memory
  kExitNumeric = 5,     // NaN or Inf
  kExitCheck = 6,       // a check or accuracy gate failed
  kExitInterrupt = 130, // SIGINT, after saving
  kExitTerminate = 143, // SIGTERM, after saving
};

// Runs `akimbo ARGS...`; prints errors as one line on stderr and returns the exit code.
int run_program(int argc, const char* const* argv);

}  // namespace akimbo::apps
