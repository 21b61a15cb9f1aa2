#include "kernels/cuda/launch_shape.h"

#include "kernels/common/device_failure.h"

namespace akimbo::kernels::device {

std::string Extent3::str() const {
  std::string text = "(";
  text += std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z);
  text += ")";
  return text;
}

void require_launchable(const char* name, const LaunchShape& shape) {
  const auto& [grid, block, shared_bytes] = shape;
  const bool fits = grid.x >= 0 && grid.y >= 0 && grid.z >= 0 && grid.x <= 0x7fffffff &&
                    grid.y <= 65535 && grid.z <= 65535 && block.x >= 1 && block.y >= 1 &&
                    block.z >= 1 && block.x <= 1024 && block.y <= 1024 && block.z <= 64 &&
                    block.volume() <= 1024 && shared_bytes <= kMaxSharedBytes;
  if (fits) return;
  std::string message = "[";
  message += name;
  message += "] a grid of " + grid.str() + " blocks of " + block.str() + " threads with ";
  message += std::to_string(shared_bytes) + " bytes of shared memory cannot be launched; at most ";
  message += "(2^31-1,65535,65535) blocks of 1024 threads with ";
  message += std::to_string(kMaxSharedBytes) + " bytes can";
  throw DeviceFailure(message);
}

}  // namespace akimbo::kernels::device
