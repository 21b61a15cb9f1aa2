// The self-test on a GPU, or on the emulated one.
#include <gtest/gtest.h>

#include "engine/selftest/selftest.h"

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

}  // namespace
}  // namespace akimbo
