// What a kernel's fault says, for the emulator's tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/common/device_failure.h"

namespace akimbo::kernels {

// The message of the fault that `run` ends with; "" when it ends well.
template <typename F>
std::string fault_of(const F& run) {
  try {
    run();
  } catch (const DeviceFailure& failure) {
    return failure.what();
  }
  return "";
}

inline void expect_fault(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
  }
}

}  // namespace akimbo::kernels
