// Depthwise convolution: every channel has its own filter, so that there is no sum over channels
// and nothing for tensor cores. Bound by memory: threads take pieces of 16 bytes of neighbouring
// channels, and the filters of a block's channels wait in shared memory.
#include <algorithm>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_direct.h"
#include "kernels/cuda/conv/conv_finish.cuh"
#include "kernels/cuda/conv/conv_pixels.cuh"

namespace akimbo::kernels::cuda {
namespace {

using device::Compute;
using device::TiedAxis;

constexpr int kThreads = 256;
constexpr int kPixelsPerThread = 4;
constexpr std::int64_t kMaxParts = 256, kMinRunPixels = 64;

// A block is `lanes` pixels x `pieces` pieces of channels; threads beyond lanes * pieces only help
// to load filters.
struct Depthwise {
  TiedAxis rows, cols;  // of the map looked up
  std::int64_t pixels, out_rows, out_cols, channels;
  int pieces;
};

// Filters of the block's channels as [taps, pieces * kCount].
template <typename T, int kCount>
__device__ void load_filters(const Depthwise& s, const T* filter, Compute<T>* shared) {
  const int columns = s.pieces * kCount, taps = static_cast<int>(s.rows.taps * s.cols.taps);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * columns;
  for (int i = device::thread_in_block(); i < columns * taps; i += kThreads) {
    const int column = i / taps, tap = i % taps;
    shared[tap * columns + column] =
        first + column < s.channels ? device::to_float(filter[(first + column) * taps + tap]) : 0;
  }
}

template <typename T, int kCount>
__global__ __launch_bounds__(kThreads) void conv_depthwise_kernel(Depthwise s, const T* source,
                                                                  const T* filter,
                                                                  device::Finish<T> finish, T* y) {
  auto* shared = device::dynamic_shared<Compute<T>>();
  load_filters<T, kCount>(s, filter, shared);
  device::sync_block();
  const int lanes = kThreads / s.pieces, lane = device::thread_in_block() / s.pieces;
  const int column = device::thread_in_block() % s.pieces * kCount, columns = s.pieces * kCount;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.y) * columns + column;
  if (lane >= lanes || channel >= s.channels) return;
  for (int step = 0; step < kPixelsPerThread; ++step) {
    const std::int64_t pixel =
        (static_cast<std::int64_t>(blockIdx.x) * kPixelsPerThread + step) * lanes + lane;
    if (pixel >= s.pixels) return;
    const std::int64_t col = pixel % s.out_cols, row = pixel / s.out_cols % s.out_rows;
    const std::int64_t image = pixel / s.out_cols / s.out_rows;
    Compute<T> sums[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) sums[i] = 0;
    for (int ky = 0; ky < s.rows.taps; ++ky) {
      const std::int64_t qy = s.rows.at(row, ky);
      for (int kx = 0; kx < s.cols.taps && qy >= 0; ++kx) {
        const std::int64_t qx = s.cols.at(col, kx);
        if (qx < 0) continue;
        const auto values = device::load_vector<kCount>(
            source + ((image * s.rows.extent + qy) * s.cols.extent + qx) * s.channels + channel);
        const Compute<T>* weights = shared + (ky * s.cols.taps + kx) * columns + column;
#pragma unroll
        for (int i = 0; i < kCount; ++i) sums[i] += device::to_float(values[i]) * weights[i];
      }
    }
    const std::int64_t index = pixel * s.channels + channel;
    store_vector(y + index, finish.template vector<kCount>(sums, channel, index));
  }
}

// Part x of grad_w [parts, C, taps]: the pixels of run x. Grid y = blocks of channels, z = taps.
template <typename T, int kCount>
__global__ __launch_bounds__(kThreads) void conv_depthwise_weight_grad_kernel(
    Depthwise s, std::int64_t run_pixels, const T* small, const T* big, Compute<T>* partial) {
  AKIMBO_SHARED_ARRAY(Compute<T>, shared, kThreads * kCount);
  const int thread = device::thread_in_block(), tap = static_cast<int>(blockIdx.z);
  const int lanes = kThreads / s.pieces, lane = thread / s.pieces;
  const int column = thread % s.pieces * kCount, columns = s.pieces * kCount;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * columns;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * run_pixels;
  const std::int64_t end = std::min(s.pixels, begin + run_pixels);
  Compute<T> sums[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) sums[i] = 0;
  if (lane < lanes && first + column < s.channels) {
    for (std::int64_t pixel = begin + lane; pixel < end; pixel += lanes) {
      const std::int64_t qy = s.rows.at(pixel / s.out_cols % s.out_rows, tap / s.cols.taps);
      const std::int64_t qx = s.cols.at(pixel % s.out_cols, tap % s.cols.taps);
      if (qy < 0 || qx < 0) continue;
      const std::int64_t image = pixel / s.out_cols / s.out_rows;
      const std::int64_t big_pixel = (image * s.rows.extent + qy) * s.cols.extent + qx;
      const auto a = device::load_vector<kCount>(small + pixel * s.channels + first + column);
      const auto b = device::load_vector<kCount>(big + big_pixel * s.channels + first + column);
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums[i] += device::to_float(a[i]) * device::to_float(b[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) shared[thread * kCount + i] = sums[i];
  device::sync_block();
  const int taps = static_cast<int>(s.rows.taps * s.cols.taps);
  for (int i = thread; i < columns && first + i < s.channels; i += kThreads) {
    Compute<T> total = 0;
    for (int l = 0; l < lanes; ++l) total += shared[l * columns + i];
    partial[(static_cast<std::int64_t>(blockIdx.x) * s.channels + first + i) * taps + tap] = total;
  }
}

Depthwise make_depthwise(Direction direction, ConstView looked_up, const Shape& w,
                         const Conv2dParams& params, ConstView walked, int count) {
  const std::int64_t channels = walked.dim(3);
  return {.rows = device::tied_axis(direction, params, looked_up.dim(1), w[1]),
          .cols = device::tied_axis(direction, params, looked_up.dim(2), w[2]),
          .pixels = walked.numel() / channels,
          .out_rows = walked.dim(1),
          .out_cols = walked.dim(2),
          .channels = channels,
          .pieces = static_cast<int>(std::min<std::int64_t>(channels / count, 32))};
}

template <typename T, int kCount>
void launch_depthwise(const Exec& exec, Direction direction, ConstView source, ConstView filter,
                      const ConvEpilogue& e, const Conv2dParams& params, View y) {
  const Depthwise s = make_depthwise(direction, source, filter.shape, params, y, kCount);
  const int lanes = kThreads / s.pieces;
  const device::Finish<T> finish{e.scale.data<Compute<T>>(), e.shift.data<Compute<T>>(),
                                 e.residual.data<T>(), e.relu};
  const std::size_t shared_bytes =
      static_cast<std::size_t>(s.rows.taps * s.cols.taps) * s.pieces * kCount * sizeof(Compute<T>);
  device::launch(exec, "conv_depthwise_kernel",
                 {.grid = {device::blocks_for(s.pixels, std::int64_t{lanes} * kPixelsPerThread),
                           device::blocks_for(s.channels, std::int64_t{s.pieces} * kCount)},
                  .block = {kThreads},
                  .shared_bytes = shared_bytes},
                 conv_depthwise_kernel<T, kCount>, s, source.data<T>(), filter.data<T>(), finish,
                 y.data<T>());
}

template <typename T, int kCount>
void launch_depthwise_weight_grad(const Exec& exec, ConstView small, ConstView big,
                                  const Conv2dParams& params, View grad_w) {
  const Depthwise s =
      make_depthwise(Direction::small_to_big, big, grad_w.shape, params, small, kCount);
  const std::int64_t parts = std::clamp<std::int64_t>(s.pixels / kMinRunPixels, 1, kMaxParts);
  const std::int64_t taps = s.rows.taps * s.cols.taps, numel = grad_w.numel();
  const Scratch<Compute<T>> partial(exec, static_cast<std::size_t>(parts * numel));
  device::launch(
      exec, "conv_depthwise_weight_grad_kernel",
      {.grid = {parts, device::blocks_for(s.channels, std::int64_t{s.pieces} * kCount), taps},
       .block = {kThreads}},
      conv_depthwise_weight_grad_kernel<T, kCount>, s, device::blocks_for(s.pixels, parts),
      small.data<T>(), big.data<T>(), partial.data());
  column_sums(exec, {partial.data(), DTypeOf<Compute<T>>::value, {parts, numel}},
              {grad_w.pointer, grad_w.dtype, {1, numel}});
}

// The filters of 32 pieces must fit in a block's shared memory.
constexpr std::int64_t kMaxTaps = 121;

}  // namespace

bool is_depthwise(const Shape& w, const Conv2dParams& params) {
  return params.groups > 1 && w[0] == params.groups && w[3] == 1 && w[1] * w[2] <= kMaxTaps;
}

void depthwise_gather(const Exec& exec, Direction direction, ConstView source, ConstView filter,
                      const ConvEpilogue& e, const Conv2dParams& params, View y) {
  if (y.numel() == 0) return;
  visit_any_floating(y.dtype, [&]<typename T>() {
    constexpr int kCount = device::kVectorSize<T>;
    const std::int64_t row_bytes = y.dim(3) * static_cast<std::int64_t>(sizeof(T));
    if (device::is_aligned(source.pointer, row_bytes) && device::is_aligned(y.pointer) &&
        device::is_aligned(e.residual.pointer)) {
      launch_depthwise<T, kCount>(exec, direction, source, filter, e, params, y);
    } else {
      launch_depthwise<T, 1>(exec, direction, source, filter, e, params, y);
    }
  });
}

void depthwise_weight_grad(const Exec& exec, ConstView small, ConstView big,
                           const Conv2dParams& params, View grad_w) {
  if (grad_w.numel() == 0) return;
  visit_any_floating(small.dtype, [&]<typename T>() {
    constexpr int kCount = device::kVectorSize<T>;
    const std::int64_t row_bytes = small.dim(3) * static_cast<std::int64_t>(sizeof(T));
    if (device::is_aligned(small.pointer, row_bytes) && device::is_aligned(big.pointer)) {
      launch_depthwise_weight_grad<T, kCount>(exec, small, big, params, grad_w);
    } else {
      launch_depthwise_weight_grad<T, 1>(exec, small, big, params, grad_w);
    }
  });
}

}  // namespace akimbo::kernels::cuda
