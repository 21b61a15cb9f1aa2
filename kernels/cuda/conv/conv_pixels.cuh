// The tie between the pixels of two maps, for the kernels that do not cut it into phases.
#pragma once

#include "kernels/conv.h"
#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

// Pixel that tap k ties to pixel i of the other map, along one axis; -1 if there is none.
struct TiedAxis {
  bool to_big = true;  // the map looked up is the big one of kernels/conv.h
  std::int64_t stride = 1, padding = 0, dilation = 1;
  std::int64_t extent = 0;  // of the map looked up
  std::int64_t taps = 0;

  [[nodiscard]] __device__ __forceinline__ std::int64_t at(std::int64_t i, std::int64_t k) const {
    std::int64_t j = 0;
    if (to_big) {
      j = i * stride - padding + k * dilation;
    } else {
      j = i + padding - k * dilation;
      if (j < 0 || j % stride != 0) return -1;
      j /= stride;
    }
    return j >= 0 && j < extent ? j : -1;
  }
};

[[nodiscard]] inline TiedAxis tied_axis(cuda::Direction direction, const Conv2dParams& p,
                                        std::int64_t extent, std::int64_t taps) {
  return {
      direction == cuda::Direction::small_to_big, p.stride, p.padding, p.dilation, extent, taps};
}

}  // namespace akimbo::kernels::device
