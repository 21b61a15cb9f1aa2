// The fixture of the sm_90a kernels' tests: on a GPU of sm_90, and on the emulated one.
#pragma once

#include "kernels/cuda/tensor_map.h"
#include "tests/kernels/conformance/conformance.h"

namespace akimbo::conformance {

class HopperTest : public ProviderTest {
 protected:
  void SetUp() override {
    ProviderTest::SetUp();
    if (IsSkipped()) return;
    if (provider() == Provider::cpu) GTEST_SKIP() << "kernels of a GPU";
    (void)exec();  // makes the device current
    if (!kernels::device::runs_hopper_code()) GTEST_SKIP() << "not a GPU of sm_90";
  }
};

}  // namespace akimbo::conformance
