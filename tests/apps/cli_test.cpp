#include "apps/cli.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>

#include "apps/commands.h"
#include "tests/support/program.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;

TEST(CommandLine, EverySubcommandHasHelpWithAnExample) {
  for (const Command& command : all_commands()) {
    const auto result = run_akimbo({command.name, "--help"});
    EXPECT_EQ(result.exit_code, kExitDone) << command.name;
    EXPECT_NE(result.out.find("Example:\n  akimbo " + command.name), std::string::npos)
        << result.out;
  }
}

TEST(CommandLine, WrongUsageIsOneLineAndExitCode2) {
  const auto misspelt = run_akimbo({"verison"});
  EXPECT_EQ(misspelt.exit_code, kExitUsage);
  EXPECT_EQ(misspelt.err, "akimbo: there is no subcommand verison; did you mean version?\n");
  EXPECT_EQ(run_akimbo({}).exit_code, kExitUsage);
  EXPECT_EQ(run_akimbo({"version", "--loud"}).exit_code, kExitUsage);
}

TEST(CommandLine, EachKindOfErrorHasItsExitCode) {
  EXPECT_EQ(exit_code_of(ConfigError("")), 2);
  EXPECT_EQ(exit_code_of(ArgumentError("")), 2);
  EXPECT_EQ(exit_code_of(std::invalid_argument("")), 2);
  EXPECT_EQ(exit_code_of(FileError("")), 3);
  EXPECT_EQ(exit_code_of(DeviceError("")), 4);
  EXPECT_EQ(exit_code_of(std::bad_alloc()), 4);
  EXPECT_EQ(exit_code_of(NumericError("")), 5);
  EXPECT_EQ(exit_code_of(CheckError("")), 6);
  EXPECT_EQ(exit_code_of(OutputError("")), 1);
  EXPECT_EQ(exit_code_of(std::runtime_error("")), 1);
}

}  // namespace
}  // namespace akimbo::apps
