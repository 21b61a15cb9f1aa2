// What kernels/cuda throws when the device, its driver or a launch fails.
#pragma once

#include <stdexcept>

namespace akimbo::kernels {

class DeviceFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace akimbo::kernels
