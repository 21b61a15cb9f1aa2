// What is done to a sum before it is stored, shared by all kernels of conv.h and matmul.h.
#pragma once

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

// relu(sum * scale[channel] + shift[channel] + residual[index]); null operands count as 1, 0, 0.
template <typename T>
struct Finish {
  const Compute<T>* scale = nullptr;
  const Compute<T>* shift = nullptr;
  const T* residual = nullptr;
  bool relu = false;

  __device__ __forceinline__ Compute<T> affine(Compute<T> sum, std::int64_t channel) const {
    if (scale != nullptr) sum *= scale[channel];
    if (shift != nullptr) sum += shift[channel];
    return sum;
  }
  // NaN passes.
  __device__ __forceinline__ Compute<T> rectify(Compute<T> sum) const {
    return relu && sum < 0 ? Compute<T>(0) : sum;
  }
  __device__ __forceinline__ T operator()(Compute<T> sum, std::int64_t channel,
                                          std::int64_t index) const {
    sum = affine(sum, channel);
    if (residual != nullptr) sum += to_float(residual[index]);
    return from_float<T>(rectify(sum));
  }
  // kCount neighbours at an aligned index. The residual may be y itself: a thread reads it before
  // it writes.
  template <int kCount>
  __device__ __forceinline__ Vector<T, kCount> vector(const Compute<T> (&sums)[kCount],
                                                      std::int64_t channel,
                                                      std::int64_t index) const {
    Vector<T, kCount> result, added;
    if (residual != nullptr) added = load_vector<kCount>(residual + index);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      Compute<T> sum = affine(sums[i], channel + i);
      if (residual != nullptr) sum += to_float(added[i]);
      result[i] = from_float<T>(rectify(sum));
    }
    return result;
  }
};

}  // namespace akimbo::kernels::device
