// Casts between any two dtypes; each thread reads and writes at most 16 bytes.
#include <algorithm>
#include <type_traits>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"
#include "kernels/elementwise.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

// 16-bit floating types go through f32, as on the CPU.
template <typename To, typename From>
__device__ __forceinline__ To converted(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (!std::is_arithmetic_v<From>) {
    return converted<To>(to_float(value));
  } else if constexpr (!std::is_arithmetic_v<To>) {
    return from_float<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(const From* x, To* y, std::int64_t count, bool aligned) {
  constexpr int N = 16 / (sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));
  const std::int64_t first = global_thread() * N;
  if (aligned && first + N <= count) {
    const auto from = load_vector<N>(x + first);
    Vector<To, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = converted<To>(from[i]);
    store_vector(y + first, to);
    return;
  }
  const std::int64_t end = first + N < count ? first + N : count;
  for (std::int64_t i = first; i < end; ++i) y[i] = converted<To>(x[i]);
}

}  // namespace

void cast_forward(const Exec& exec, ConstView x, View y) {
  visit_dtype(x.dtype, [&]<typename From>() {
    visit_dtype(y.dtype, [&]<typename To>() {
      constexpr std::int64_t kPerThread = 16 / std::max(sizeof(From), sizeof(To));
      launch(
          exec, "cast_forward",
          {.grid = {blocks_for(blocks_for(y.numel(), kPerThread), kThreads)}, .block = {kThreads}},
          cast_kernel<From, To>, x.data<From>(), y.data<To>(), y.numel(),
          is_aligned(x.pointer) && is_aligned(y.pointer));
    });
  });
}

}  // namespace akimbo::kernels::cuda
