// Sums and maxima over a warp and over a block.
#pragma once

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

struct SumOf {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
  template <typename T>
  __device__ static T neutral() {
    return T(0);
  }
};
// NaN is carried on: a maximum that loses it would hide a diverged network.
struct MaxOf {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
  template <typename T>
  __device__ static T neutral() {
    return -std::numeric_limits<T>::infinity();
  }
};

// Every lane gets the result, in one order of operations.
template <typename Reduce, typename T>
__device__ __forceinline__ T warp_reduce(T value) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    value = Reduce{}(value, shuffle_xor(value, mask));
  }
  return value;
}
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce<SumOf>(value);
}
template <typename T>
__device__ __forceinline__ T warp_max(T value) {
  return warp_reduce<MaxOf>(value);
}

// Every thread gets the result. The block is a multiple of 32 threads; shared32 has 32 elements and
// may be used again at once, because the last barrier comes after the last read.
template <typename Reduce, typename T>
__device__ __forceinline__ T block_reduce(T value, T* shared32) {
  value = warp_reduce<Reduce>(value);
  const int num_warps = static_cast<int>(blockDim.x * blockDim.y * blockDim.z) / kWarpSize;
  if (lane_index() == 0) shared32[warp_index()] = value;
  sync_block();
  value = warp_reduce<Reduce>(lane_index() < num_warps ? shared32[lane_index()]
                                                       : Reduce::template neutral<T>());
  sync_block();
  return value;
}
template <typename T>
__device__ __forceinline__ T block_sum(T value, T* shared32) {
  return block_reduce<SumOf>(value, shared32);
}
template <typename T>
__device__ __forceinline__ T block_max(T value, T* shared32) {
  return block_reduce<MaxOf>(value, shared32);
}

}  // namespace akimbo::kernels::device
