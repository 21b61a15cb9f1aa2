// One thread per output. See conv_direct.h.
#include "kernels/cuda/conv/conv_direct.h"

#include <algorithm>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/conv/conv_finish.cuh"
#include "kernels/cuda/conv/conv_pixels.cuh"

namespace akimbo::kernels::cuda {
namespace {

using device::Compute;
using device::TiedAxis;

constexpr int kThreads = 256;

std::int64_t blocks_of(std::int64_t count) {
  return std::min<std::int64_t>(device::blocks_for(count, kThreads), std::int64_t{1} << 20);
}

struct DirectGather {
  TiedAxis rows, cols;  // of the source
  std::int64_t numel, out_rows, out_cols, groups, channels, outputs;
  bool k_contiguous;

  [[nodiscard]] __device__ std::int64_t filter_index(std::int64_t group, std::int64_t n,
                                                     std::int64_t tap, std::int64_t c) const {
    const std::int64_t taps = rows.taps * cols.taps;
    return k_contiguous ? ((group * outputs + n) * taps + tap) * channels + c
                        : ((group * channels + c) * taps + tap) * outputs + n;
  }
};

template <typename T>
__global__ void conv_direct_gather_kernel(DirectGather s, const T* source, const T* filter,
                                          device::Finish<T> finish, T* y) {
  const std::int64_t pitch = s.groups * s.outputs;
  const std::int64_t c_step = s.k_contiguous ? 1 : s.rows.taps * s.cols.taps * s.outputs;
  for (std::int64_t i = device::global_thread(); i < s.numel; i += device::num_global_threads()) {
    const std::int64_t channel = i % pitch, group = channel / s.outputs, pixel = i / pitch;
    const std::int64_t col = pixel % s.out_cols, row = pixel / s.out_cols % s.out_rows;
    const std::int64_t image = pixel / s.out_cols / s.out_rows;
    Compute<T> sum = 0;
    for (std::int64_t ky = 0; ky < s.rows.taps; ++ky) {
      const std::int64_t qy = s.rows.at(row, ky);
      for (std::int64_t kx = 0; kx < s.cols.taps && qy >= 0; ++kx) {
        const std::int64_t qx = s.cols.at(col, kx);
        if (qx < 0) continue;
        const T* from =
            source + ((image * s.rows.extent + qy) * s.cols.extent + qx) * s.groups * s.channels +
            group * s.channels;
        const T* weight =
            filter + s.filter_index(group, channel % s.outputs, ky * s.cols.taps + kx, 0);
        for (std::int64_t c = 0; c < s.channels; ++c) {
          sum += device::to_float(from[c]) * device::to_float(weight[c * c_step]);
        }
      }
    }
    y[i] = finish(sum, channel, i);
  }
}

struct DirectWeightGrad {
  TiedAxis rows, cols;  // of the big map
  std::int64_t numel, images, small_rows, small_cols, groups, small_channels, big_channels;
  bool small_first;
};

template <typename T, typename Out>
__global__ void conv_direct_weight_grad_kernel(DirectWeightGrad s, const T* small, const T* big,
                                               Out* grad_w) {
  const std::int64_t last = s.small_first ? s.big_channels : s.small_channels;
  const std::int64_t first = s.small_first ? s.small_channels : s.big_channels;
  for (std::int64_t i = device::global_thread(); i < s.numel; i += device::num_global_threads()) {
    const std::int64_t kx = i / last % s.cols.taps, ky = i / last / s.cols.taps % s.rows.taps;
    const std::int64_t o = i / last / s.cols.taps / s.rows.taps, group = o / first;
    const std::int64_t m = s.small_first ? o % first : i % last;
    const std::int64_t n = s.small_first ? i % last : o % first;
    Compute<T> sum = 0;
    for (std::int64_t row = 0; row < s.images * s.small_rows; ++row) {
      const std::int64_t qy = s.rows.at(row % s.small_rows, ky), image = row / s.small_rows;
      for (std::int64_t col = 0; col < s.small_cols && qy >= 0; ++col) {
        const std::int64_t qx = s.cols.at(col, kx);
        if (qx < 0) continue;
        const std::int64_t big_pixel = (image * s.rows.extent + qy) * s.cols.extent + qx;
        sum += device::to_float(
                   small[((row * s.small_cols + col) * s.groups + group) * s.small_channels + m]) *
               device::to_float(big[(big_pixel * s.groups + group) * s.big_channels + n]);
      }
    }
    grad_w[i] = device::from_float<Out>(static_cast<Compute<Out>>(sum));
  }
}

template <typename T>
__global__ void matmul_direct_kernel(const T* a, std::int64_t a_row, std::int64_t a_col, const T* b,
                                     std::int64_t b_row, std::int64_t b_col, const Compute<T>* bias,
                                     std::int64_t m, std::int64_t n, std::int64_t k, T* y) {
  for (std::int64_t i = device::global_thread(); i < m * n; i += device::num_global_threads()) {
    const std::int64_t row = i / n, column = i % n;
    Compute<T> sum = 0;
    for (std::int64_t l = 0; l < k; ++l) {
      sum += device::to_float(a[row * a_row + l * a_col]) *
             device::to_float(b[l * b_row + column * b_col]);
    }
    if (bias != nullptr) sum += bias[column];
    y[i] = device::from_float<T>(sum);
  }
}

}  // namespace

void direct_gather(const Exec& exec, Direction direction, Order filter_order, ConstView source,
                   ConstView filter, const ConvEpilogue& e, const Conv2dParams& params, View y) {
  const DirectGather shape{
      .rows = device::tied_axis(direction, params, source.dim(1), filter.dim(1)),
      .cols = device::tied_axis(direction, params, source.dim(2), filter.dim(2)),
      .numel = y.numel(),
      .out_rows = y.dim(1),
      .out_cols = y.dim(2),
      .groups = params.groups,
      .channels = source.dim(3) / params.groups,
      .outputs = y.dim(3) / params.groups,
      .k_contiguous = filter_order == Order::k_contiguous};
  if (shape.numel == 0) return;
  visit_any_floating(y.dtype, [&]<typename T>() {
    const device::Finish<T> finish{e.scale.data<Compute<T>>(), e.shift.data<Compute<T>>(),
                                   e.residual.data<T>(), e.relu};
    device::launch(exec, "conv_direct_gather_kernel",
                   {.grid = {blocks_of(shape.numel)}, .block = {kThreads}},
                   conv_direct_gather_kernel<T>, shape, source.data<T>(), filter.data<T>(), finish,
                   y.data<T>());
  });
}

void direct_weight_grad(const Exec& exec, ConstView small, ConstView big,
                        const Conv2dParams& params, WeightOrder order, View grad_w) {
  const DirectWeightGrad shape{
      .rows = device::tied_axis(Direction::small_to_big, params, big.dim(1), grad_w.dim(1)),
      .cols = device::tied_axis(Direction::small_to_big, params, big.dim(2), grad_w.dim(2)),
      .numel = grad_w.numel(),
      .images = small.dim(0),
      .small_rows = small.dim(1),
      .small_cols = small.dim(2),
      .groups = params.groups,
      .small_channels = small.dim(3) / params.groups,
      .big_channels = big.dim(3) / params.groups,
      .small_first = order == WeightOrder::small_first};
  if (shape.numel == 0) return;
  visit_any_floating(small.dtype, [&]<typename T>() {
    const auto launch_to = [&]<typename Out>() {
      device::launch(exec, "conv_direct_weight_grad_kernel",
                     {.grid = {blocks_of(shape.numel)}, .block = {kThreads}},
                     conv_direct_weight_grad_kernel<T, Out>, shape, small.data<T>(), big.data<T>(),
                     grad_w.data<Out>());
    };
    if (grad_w.dtype == small.dtype) {
      launch_to.template operator()<T>();
    } else {
      launch_to.template operator()<Compute<T>>();
    }
  });
}

void direct_matmul(const Exec& exec, ConstView a, bool transpose_a, ConstView b, bool transpose_b,
                   ConstView bias, View y) {
  const std::int64_t m = y.dim(0), n = y.dim(1), k = a.dim(transpose_a ? 0 : 1);
  if (m * n == 0) return;
  visit_any_floating(y.dtype, [&]<typename T>() {
    device::launch(exec, "matmul_direct_kernel", {.grid = {blocks_of(m * n)}, .block = {kThreads}},
                   matmul_direct_kernel<T>, a.data<T>(), transpose_a ? 1 : k, transpose_a ? m : 1,
                   b.data<T>(), transpose_b ? 1 : n, transpose_b ? k : 1, bias.data<Compute<T>>(),
                   m, n, k, y.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda
