// A few functions of the types in which kernels compute, float and double.
#pragma once

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::cuda {

__device__ __forceinline__ int max_of(int a, int b) { return a > b ? a : b; }
__device__ __forceinline__ int min_of(int a, int b) { return a < b ? a : b; }
// The other one of a NaN and a number.
__device__ __forceinline__ float max_of(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ double max_of(double a, double b) { return fmax(a, b); }

template <typename A>
__device__ __forceinline__ A minus_infinity() {
  return -std::numeric_limits<A>::infinity();
}

// exp of a number <= 0 that is part of a sum of such. f32 uses the hardware's 2^x: relative error
// 2^-21 (1 + |x|), at most 3e-7 of the sum's largest term whatever x is.
__device__ __forceinline__ float exp_of_difference(float x) {
#if defined(__CUDA_ARCH__)
  return __expf(x);
#else
  return std::exp(x);
#endif
}
__device__ __forceinline__ double exp_of_difference(double x) { return exp(x); }

// Product and sum that are never fused: they round as the CPU's do.
__device__ __forceinline__ double multiply(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
__device__ __forceinline__ double add(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}
__device__ __forceinline__ float multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
__device__ __forceinline__ float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

}  // namespace akimbo::kernels::cuda
