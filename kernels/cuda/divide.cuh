// Division of 64-bit indices on the device.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

// a / b for a, b >= 0: in 32 bits where both fit, since the 64-bit division is a long routine.
__device__ __forceinline__ std::int64_t divide(std::int64_t a, std::int64_t b) {
  if (((a | b) >> 32) == 0) return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
  return a / b;
}

}  // namespace akimbo::kernels::device
