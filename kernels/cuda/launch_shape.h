// How many blocks of how many threads a kernel is launched with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace akimbo::kernels::device {

// Of one block, static and dynamic: sm_90's, the largest there is. Other architectures have less
// (DeviceProperties::shared_bytes_per_block).
inline constexpr std::size_t kMaxSharedBytes = 227 * 1024;

struct Extent3 {
  std::int64_t x = 1, y = 1, z = 1;
  [[nodiscard]] std::int64_t volume() const { return x * y * z; }
  [[nodiscard]] std::string str() const;  // "(64,1,1)"
};

// launch() of an empty grid does nothing.
struct LaunchShape {
  Extent3 grid = {}, block = {};
  std::size_t shared_bytes = 0;  // dynamic shared memory
};

// Throws DeviceFailure for a shape beyond the limits of every architecture from sm_80 on, of which
// CUDA itself says "invalid argument" only.
void require_launchable(const char* name, const LaunchShape& shape);

// Blocks of `threads` that cover `count` elements; for grid.x, which alone may exceed 65535.
[[nodiscard]] inline std::int64_t blocks_for(std::int64_t count, std::int64_t threads) {
  return (count + threads - 1) / threads;
}

}  // namespace akimbo::kernels::device
