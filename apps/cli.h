// The program's command line: subcommands, and the exit codes that scripts rely on.
#pragma once

#include <exception>

#include "engine/core/error.h"

namespace akimbo::apps {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,       // failed at run time
  kExitUsage = 2,        // wrong usage or config
  kExitBadData = 3,      // missing or corrupt data
  kExitDevice = 4,       // device, driver or memory
  kExitNumeric = 5,      // NaN or Inf
  kExitCheck = 6,        // a check or accuracy gate failed
  kExitInterrupt = 130,  // SIGINT, after saving
  kExitTerminate = 143,  // SIGTERM, after saving
};

// A check that the user asked for did not hold, such as `eval --require AP=0.7`.
class CheckError : public Error {
 public:
  using Error::Error;
};

// Results or checkpoints could not be written; the data were not at fault.
class OutputError : public Error {
 public:
  using Error::Error;
};

// Runs `akimbo ARGS...`; prints errors as one line on stderr and returns the exit code.
int run_program(int argc, const char* const* argv);

// Which code an exception ends the program with.
[[nodiscard]] ExitCode exit_code_of(const std::exception& error);

}  // namespace akimbo::apps
