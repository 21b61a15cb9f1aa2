#include "kernels/cuda/vendor/vendor_finish.h"

#include <algorithm>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_finish.cuh"

namespace akimbo::kernels::cuda::vendor {
namespace {

using device::Compute;

constexpr int kThreads = 256;

std::int64_t blocks_of(std::int64_t count) {
  return std::min<std::int64_t>(device::blocks_for(count, kThreads), 1 << 16);
}

template <typename T>
__global__ void conv_finish_kernel(device::Finish<T> finish, std::int64_t numel,
                                   std::int64_t channels, T* y) {
  for (std::int64_t i = device::global_thread(); i < numel; i += device::num_global_threads()) {
    y[i] = finish(device::to_float(y[i]), i % channels, i);
  }
}

template <typename T>
__global__ void conv_exchange_filter_kernel(const T* from, std::int64_t numel, std::int64_t outputs,
                                            std::int64_t taps, std::int64_t inputs, T* to) {
  for (std::int64_t i = device::global_thread(); i < numel; i += device::num_global_threads()) {
    // i = ((group, input), tap, output)
    const std::int64_t output = i % outputs, tap = i / outputs % taps;
    const std::int64_t input = i / outputs / taps % inputs, group = i / outputs / taps / inputs;
    to[i] = from[((group * outputs + output) * taps + tap) * inputs + input];
  }
}

}  // namespace

void finish_in_place(const Exec& exec, const ConvEpilogue& e, View y) {
  const std::int64_t channels = y.dim(-1), numel = y.numel();
  if (numel > 0 && (e.scale || e.shift || e.residual || e.relu)) {
    visit_any_floating(y.dtype, [&]<typename T>() {
      const device::Finish<T> finish{e.scale.data<Compute<T>>(), e.shift.data<Compute<T>>(),
                                     e.residual.data<T>(), e.relu};
      device::launch(exec, "conv_finish_kernel", {.grid = {blocks_of(numel)}, .block = {kThreads}},
                     conv_finish_kernel<T>, finish, numel, channels, y.data<T>());
    });
  }
  if (e.channel_sums) {
    column_sums_and_squares(exec, {y.pointer, y.dtype, {numel / channels, channels}},
                            e.channel_sums);
  }
}

void exchange_filter(const Exec& exec, ConstView from, std::int64_t groups, View to) {
  const std::int64_t numel = from.numel();
  if (numel == 0) return;
  visit_any_floating(from.dtype, [&]<typename T>() {
    device::launch(exec, "conv_exchange_filter_kernel",
                   {.grid = {blocks_of(numel)}, .block = {kThreads}},
                   conv_exchange_filter_kernel<T>, from.data<T>(), numel, from.dim(0) / groups,
                   from.dim(1) * from.dim(2), from.dim(3), to.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda::vendor
