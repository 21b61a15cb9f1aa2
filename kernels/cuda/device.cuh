// The only header that kernel files include for device syntax. Built by nvcc it is CUDA
// (hardware.cuh); built by g++ with AKIMBO_EMULATED=1 it is the emulator (emulator/device.h), which
// offers the same names. What both share stands here: vectors, element types, indices.
//
// In both: __global__, __device__, __host__, __forceinline__, __launch_bounds__, threadIdx,
// blockIdx, blockDim, gridDim, and in namespace akimbo::kernels::device
//   AKIMBO_SHARED_ARRAY(T, name, count)  a static shared array; `name` is a T*
//   dynamic_shared<T>()                  LaunchShape::shared_bytes bytes, 128-byte aligned
//   sync_block(), sync_warp()            barriers; every thread of the block / warp must arrive
//   shuffle, shuffle_xor, shuffle_down, shuffle_up, ballot, any, all
//                                        of whole warps: blocks are multiples of 32 threads
//   atomic_add, atomic_max, atomic_cas
//   copy_async_16 / _8 / _4, commit_copies(), wait_copies<N>()     cp.async
//   load_matrix_x4 / _x2 [_trans], mma_bf16, mma_f16, mma_tf32, to_tf32
//   launch(exec, "name", LaunchShape{...}, kernel, arguments...)
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/common/dtype.h"
#include "kernels/common/exec.h"
#include "kernels/cuda/launch_shape.h"

#if AKIMBO_EMULATED
#include "kernels/cuda/emulator/device.h"
#else
#include "kernels/cuda/hardware.cuh"
#endif

namespace akimbo::kernels::device {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kFullMask = 0xffffffffu;

// ---- vectors: N elements that move in one access of at most 16 bytes ----

template <typename T, int N>
struct alignas(sizeof(T) * N) Vector {
  static_assert(sizeof(T) * N <= 16, "one access moves at most 16 bytes");
  T values[N];
  __device__ T& operator[](int i) { return values[i]; }
  __device__ const T& operator[](int i) const { return values[i]; }
};

// Elements of T that fill 16 bytes.
template <typename T>
inline constexpr int kVectorSize = 16 / sizeof(T);

// `from` must be aligned to N * sizeof(T).
template <int N, typename T>
__device__ __forceinline__ Vector<T, N> load_vector(const T* from) {
  Vector<T, N> vector;
  load_bytes<sizeof(T) * N>(&vector, from);
  return vector;
}
template <typename T, int N>
__device__ __forceinline__ void store_vector(T* to, const Vector<T, N>& vector) {
  store_bytes<sizeof(T) * N>(to, &vector);
}

// Host side: whether accesses of `bytes` may be used on every row of a tensor of which rows are
// row_bytes long.
[[nodiscard]] inline bool is_aligned(const void* pointer, std::int64_t row_bytes = 0,
                                     std::int64_t bytes = 16) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0 && row_bytes % bytes == 0;
}

// ---- element types: arithmetic is done in Compute<T> ----

template <typename T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// T float, BFloat16 or Float16 to float; double to itself.
template <typename T>
__device__ __forceinline__ Compute<T> to_float(T value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return bf16_to_float(value.bits);
  } else if constexpr (std::is_same_v<T, Float16>) {
    return f16_to_float(value.bits);
  } else {
    return static_cast<Compute<T>>(value);
  }
}

// Rounds to nearest even.
template <typename T>
__device__ __forceinline__ T from_float(Compute<T> value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    T result;
    result.bits = float_to_bf16(value);
    return result;
  } else if constexpr (std::is_same_v<T, Float16>) {
    T result;
    result.bits = float_to_f16(value);
    return result;
  } else {
    return static_cast<T>(value);
  }
}

// ---- indices ----

__device__ __forceinline__ int thread_in_block() {
  return static_cast<int>((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x);
}
__device__ __forceinline__ int lane_index() { return thread_in_block() % kWarpSize; }
__device__ __forceinline__ int warp_index() { return thread_in_block() / kWarpSize; }
// Over a grid and blocks that use x alone.
__device__ __forceinline__ std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::int64_t num_global_threads() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace akimbo::kernels::device
