// Tests that need a GPU, or the emulator: skipped where there is neither.
#pragma once

#include <gtest/gtest.h>

#include "engine/core/device.h"
#include "tests/support/environment.h"

namespace akimbo::testing_support {

inline constexpr Device kGpu{Device::Kind::cuda, 0};

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (num_gpus() == 0) GTEST_SKIP() << no_gpu_reason();
  }
};

using test_support::Environment;

}  // namespace akimbo::testing_support
