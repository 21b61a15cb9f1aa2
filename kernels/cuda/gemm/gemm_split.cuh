// How a product's sum is cut among blocks.
#pragma once

#include <algorithm>

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

// The slices of the summed index that blockIdx.z takes; maybe none.
struct SplitRange {
  int begin, end;

  __device__ __forceinline__ SplitRange(int slices, int splits) {
    const int split = static_cast<int>(blockIdx.z), per_split = (slices + splits - 1) / splits;
    begin = std::min(slices, split * per_split);
    end = std::min(slices, begin + per_split);
  }
};

}  // namespace akimbo::kernels::device
