// The self-test on a GPU, or on the emulated one.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/selftest/selftest.h"
#include "kernels/device_runtime.h"
#include "kernels/guarded.h"
#include "tests/support/environment.h"
#include "tests/support/temporary_folder.h"

namespace akimbo {
namespace {

TEST(DeviceSelftest, PassesInEveryDtype) {
  if (num_gpus() == 0) GTEST_SKIP() << no_gpu_reason();
  int num_checked = 0;
  const Device device{Device::Kind::cuda, 0};
  (void)selftest::run(device, {.small = true, .on_result = [&](const selftest::Result& r) {
                                 ++num_checked;
                                 EXPECT_TRUE(r.passed())
                                     << r.op << ' ' << r.dtype << ": " << r.worst << ' ' << r.error
                                     << " of " << r.tolerance << ' ' << r.failure;
                               }});
  EXPECT_GE(num_checked, 297);  // every dtype of every operation
}

// The kernels of sm_90a run by name; only where the whole self-test passed is that written down.
TEST(DeviceSelftest, RunsGuardedKernelsAndRecordsThem) {
  if (num_gpus() == 0) GTEST_SKIP() << no_gpu_reason();
  const Device device{Device::Kind::cuda, 0};
  const test_support::Environment on("AKIMBO_WGMMA", kernels::cuda::is_emulated() ? "1" : "");
  if (kernels::cuda::guarded_kernels().empty()) GTEST_SKIP() << "not a GPU of sm_90";
  const test_support::TemporaryFolder folder;
  const test_support::Environment cache("XDG_CACHE_HOME", folder.path().string());
  int num_guarded = 0;
  selftest::Options options{
      .small = true, .filter = "conv2d 3x3/2", .on_result = [&](const selftest::Result& r) {
        num_guarded += r.op.find("wgmma") != std::string::npos;
        EXPECT_TRUE(r.passed()) << r.op << ' ' << r.dtype << ": " << r.worst << ' ' << r.failure;
      }};
  const selftest::Summary summary = selftest::run(device, options);
  EXPECT_EQ(num_guarded, 2 * static_cast<int>(kernels::cuda::guarded_kernels().size()));
  EXPECT_EQ(selftest::record(device, options, summary), "") << "a part does not count";
  options = {};
  EXPECT_NE(selftest::record(device, options, summary).find(folder.path().string()),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::is_empty(folder.path() / "akimbo"));
  selftest::Summary idle = summary;
  idle.guarded.erase("wgmma gather 128x32/1 f16");
  EXPECT_NE(
      selftest::record(device, options, idle).find("no case ran on wgmma gather 128x32/1 f16"),
      std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "akimbo"));
  (void)selftest::record(device, options, summary);
  EXPECT_NE(selftest::record(device, options, {.num_passed = 9, .num_failed = 1}).find("unused"),
            std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "akimbo"));
  EXPECT_EQ(selftest::record(kCpu, options, summary), "");
}

}  // namespace
}  // namespace akimbo
