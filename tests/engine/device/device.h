// Tests that need a GPU, or the emulator: skipped where there is neither.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/core/device.h"

namespace akimbo::testing_support {

inline constexpr Device kGpu{Device::Kind::cuda, 0};

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (num_gpus() == 0) GTEST_SKIP() << no_gpu_reason();
  }
};

// An environment variable for as long as it lives.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

}  // namespace akimbo::testing_support
