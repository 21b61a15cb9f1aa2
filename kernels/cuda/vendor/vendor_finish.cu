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

__global__ void batch_norm_variance_kernel(const float* invstd, std::int64_t channels, float* var) {
  const std::int64_t c = device::global_thread();
  if (c >= channels) return;
  const auto inverse = static_cast<double>(invstd[c]);
  var[c] = static_cast<float>(1 / (inverse * inverse));
}

template <typename T>
struct MaskOperands {
  const T *x, *y, *grad_y;                        // y, or
  const Compute<T>*mean, *invstd, *gamma, *beta;  // these to work its sign out again, or neither
};

template <typename T>
__global__ void batch_norm_mask_kernel(MaskOperands<T> a, std::int64_t numel, std::int64_t channels,
                                       T* masked) {
  using C = Compute<T>;
  for (std::int64_t i = device::global_thread(); i < numel; i += device::num_global_threads()) {
    const std::int64_t c = i % channels;
    bool passes = true;
    if (a.y != nullptr) {
      passes = device::to_float(a.y[i]) > C(0);
    } else if (a.beta != nullptr) {
      const C centred = device::to_float(a.x[i]) - a.mean[c];
      passes = centred * (a.invstd[c] * a.gamma[c]) + a.beta[c] > C(0);
    }
    masked[i] = passes ? a.grad_y[i] : device::from_float<T>(C(0));
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

void variance_of_invstd(const Exec& exec, ConstView invstd, View var) {
  const std::int64_t channels = invstd.numel();
  if (channels == 0) return;
  device::launch(exec, "batch_norm_variance_kernel",
                 {.grid = {device::blocks_for(channels, kThreads)}, .block = {kThreads}},
                 batch_norm_variance_kernel, invstd.data<float>(), channels, var.data<float>());
}

void masked_gradient(const Exec& exec, const BatchNormGradArgs& args, View masked) {
  const std::int64_t numel = masked.numel(), channels = masked.dim(-1);
  if (numel == 0) return;
  visit_any_floating(masked.dtype, [&]<typename T>() {
    using C = Compute<T>;
    const MaskOperands<T> a{args.x.data<T>(),    args.y.data<T>(),      args.grad_y.data<T>(),
                            args.mean.data<C>(), args.invstd.data<C>(), args.gamma.data<C>(),
                            args.beta.data<C>()};
    device::launch(exec, "batch_norm_mask_kernel",
                   {.grid = {blocks_of(numel)}, .block = {kThreads}}, batch_norm_mask_kernel<T>, a,
                   numel, channels, masked.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda::vendor
