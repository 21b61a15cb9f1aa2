// `akimbo selftest` as a user sees it.
#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace akimbo {
namespace {

TEST(SelftestCommand, PrintsALinePerOperation) {
  const auto run = testing_support::run_akimbo({"selftest", "--device", "cpu", "--small"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("batch_norm training"), std::string::npos);
  EXPECT_NE(run.out.find(" passed, 0 failed"), std::string::npos);
  const auto quiet = testing_support::run_akimbo(
      {"selftest", "--device", "cpu", "--small", "--failures", "--only", "conv2d"});
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out.find("conv2d"), std::string::npos);
}

TEST(SelftestCommand, RefusesAnOperationThatThereIsNot) {
  const auto run =
      testing_support::run_akimbo({"selftest", "--device", "cpu", "--small", "--only", "convv"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_NE(run.err.find("no operation has 'convv' in its name"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace akimbo
