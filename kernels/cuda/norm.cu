// Batch normalisation on CUDA: statistics and forward; norm_grad.cu has the gradients.
//
// Statistics take two launches. The first gives each block a chunk of rows: sums of (x - K) and
// (x - K)^2 per channel, K being the chunk's first row, so that nothing cancels when the mean is
// large against the deviation; they leave the block as mean and sum of squared deviations. The
// second adds the chunks in double. Both and the forward pass move 16 bytes per access where
// channels and pointers allow, one element otherwise.
#include "kernels/norm.h"

#include <cmath>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/norm_own.h"
#include "kernels/cuda/norm_parts.cuh"
#include "kernels/cuda/row_tiles.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// ---- statistics ----

// parts [chunks, 2, C]: mean and sum of squared deviations from it, of each chunk of rows.
template <typename T, int V>
__global__ void __launch_bounds__(kRowThreads)
    batch_norm_statistics_kernel(const T* x, RowTiles tiles, Compute<T>* parts) {
  using C = Compute<T>;
  AKIMBO_SHARED_ARRAY(C, shared, 2 * V * kRowThreads);
  const RowPlace at = row_place(tiles, V);
  C sums[2 * V] = {};
  C shift[V] = {};
  const std::int64_t first = at.chunk * tiles.rows_per_chunk;
  if (at.active) {
    const auto head = load_vector<V>(x + first * tiles.channels + at.channel);
#pragma unroll
    for (int i = 0; i < V; ++i) shift[i] = to_float(head[i]);
  }
#pragma unroll 4
  for (std::int64_t row = at.row; row < at.row_end; row += tiles.height) {
    const auto values = load_vector<V>(x + row * tiles.channels + at.channel);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const C d = to_float(values[i]) - shift[i];
      sums[i] += d;
      sums[V + i] += d * d;
    }
  }
  add_over_rows(tiles, at, sums, shared);
  if (!at.active || at.y != 0) return;
  const C count = static_cast<C>(at.row_end - first);
  C* part = parts + at.chunk * 2 * tiles.channels + at.channel;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const C mean = sums[i] / count;
    part[i] = shift[i] + mean;
    const C deviations = sums[V + i] - sums[i] * mean;
    part[tiles.channels + i] = deviations < C(0) ? C(0) : deviations;  // rounding only
  }
}

template <typename C>
struct StatisticsOutputs {
  C *mean, *invstd, *running_mean, *running_var;  // the running ones may be null
};

// Of all rows; the variance may be a little below zero from rounding.
struct Moments {
  double mean, var;
};

template <typename C>
__device__ __forceinline__ void write_statistics(const Moments& moments, double rows,
                                                 std::int64_t channel,
                                                 const BatchNormStatisticsParams& params,
                                                 const StatisticsOutputs<C>& out) {
  const double mean = moments.mean;
  const double var = moments.var < 0 ? 0 : moments.var;  // NaN stays
  out.mean[channel] = static_cast<C>(mean);
  out.invstd[channel] = static_cast<C>(1 / std::sqrt(var + params.eps));
  const double keep = 1 - params.momentum;
  if (out.running_mean != nullptr) {
    out.running_mean[channel] = static_cast<C>(
        keep * static_cast<double>(out.running_mean[channel]) + params.momentum * mean);
  }
  if (out.running_var != nullptr) {
    out.running_var[channel] = static_cast<C>(keep * static_cast<double>(out.running_var[channel]) +
                                              params.momentum * (var * (rows / (rows - 1))));
  }
}

// From what batch_norm_statistics_kernel left. The chunks' means are taken relative to the first
// one's, so that their squares do not cancel either.
template <typename C>
__global__ void __launch_bounds__(kPartChannels* kPartLanes)
    batch_norm_finish_kernel(const C* parts, std::int64_t num_parts, std::int64_t rows_per_part,
                             std::int64_t rows, std::int64_t channels,
                             BatchNormStatisticsParams params, StatisticsOutputs<C> out) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kPartChannels + threadIdx.x;
  const double shift = channel < channels ? static_cast<double>(parts[channel]) : 0;
  const auto load = [&](std::int64_t part, std::int64_t c) {
    const C* from = parts + part * 2 * channels + c;
    const std::int64_t left = rows - part * rows_per_part;
    const auto count = static_cast<double>(left < rows_per_part ? left : rows_per_part);
    const double mean = static_cast<double>(from[0]) - shift;
    return PartTotals{count * mean, static_cast<double>(from[channels]) + count * mean * mean};
  };
  const PartTotals total = add_parts(num_parts, channel, channels, load);
  if (threadIdx.y != 0 || channel >= channels) return;
  const auto n = static_cast<double>(rows);
  const double offset = total.first / n;
  write_statistics<C>({shift + offset, total.second / n - offset * offset}, n, channel, params,
                      out);
}

// From sums of x and x^2 over parts of the rows.
template <typename C>
__global__ void __launch_bounds__(kPartChannels* kPartLanes)
    batch_norm_from_sums_kernel(const C* sums, std::int64_t num_parts, std::int64_t rows,
                                std::int64_t channels, BatchNormStatisticsParams params,
                                StatisticsOutputs<C> out) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kPartChannels + threadIdx.x;
  const auto load = [&](std::int64_t part, std::int64_t c) {
    const C* from = sums + part * 2 * channels + c;
    return PartTotals{static_cast<double>(from[0]), static_cast<double>(from[channels])};
  };
  const PartTotals total = add_parts(num_parts, channel, channels, load);
  if (threadIdx.y != 0 || channel >= channels) return;
  const auto n = static_cast<double>(rows);
  const double mean = total.first / n;
  write_statistics<C>({mean, total.second / n - mean * mean}, n, channel, params, out);
}

template <typename C>
__global__ void __launch_bounds__(256)
    batch_norm_invstd_kernel(const C* var, std::int64_t channels, double eps, C* invstd) {
  const std::int64_t channel = global_thread();
  if (channel >= channels) return;
  invstd[channel] = static_cast<C>(1 / std::sqrt(static_cast<double>(var[channel]) + eps));
}

// ---- forward ----

template <typename T>
struct ForwardOperands {
  const T* x;
  const Compute<T>*mean, *invstd, *gamma, *beta;
  const T* residual;
  T* y;
};

// Rows are read some at a time before any is written: y may alias x or residual, so the compiler
// could not move a load over a store by itself.
template <typename T, int V, bool kResidual>
__global__ void __launch_bounds__(kRowThreads)
    batch_norm_forward_kernel(ForwardOperands<T> a, bool relu, RowTiles tiles) {
  using C = Compute<T>;
  constexpr int kBatch = kResidual ? 2 : 4;
  const RowPlace at = row_place(tiles, V);
  if (!at.active) return;
  C mean[V], scale[V], beta[V];
  load_channels<V>(a.mean + at.channel, mean);
  load_channels<V>(a.invstd + at.channel, scale);
  load_channels<V>(a.gamma + at.channel, beta);
#pragma unroll
  for (int i = 0; i < V; ++i) scale[i] *= beta[i];
  load_channels<V>(a.beta + at.channel, beta);
  for (std::int64_t row = at.row; row < at.row_end; row += kBatch * tiles.height) {
    Vector<T, V> x[kBatch], residual[kBatch];
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const std::int64_t r = row + b * tiles.height;
      if (r >= at.row_end) break;
      x[b] = load_vector<V>(a.x + r * tiles.channels + at.channel);
      if (kResidual) residual[b] = load_vector<V>(a.residual + r * tiles.channels + at.channel);
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const std::int64_t r = row + b * tiles.height;
      if (r >= at.row_end) break;
      Vector<T, V> y;
#pragma unroll
      for (int i = 0; i < V; ++i) {
        C value = (to_float(x[b][i]) - mean[i]) * scale[i] + beta[i];
        if (kResidual) value += to_float(residual[b][i]);
        y[i] = from_float<T>(relu && value < C(0) ? C(0) : value);
      }
      store_vector(a.y + r * tiles.channels + at.channel, y);
    }
  }
}

// Forward passes have no sums: more blocks than those, of which each reads its channels' values.
constexpr RowTileOptions kForwardTiles{.max_blocks = 4096, .rows_per_thread = 8};

template <typename T, int V>
void forward(const Exec& exec, const BatchNormForwardArgs& args, View y, std::int64_t rows) {
  using C = Compute<T>;
  const RowTiles tiles = row_tiles(rows, args.mean.numel(), V, kForwardTiles);
  const ForwardOperands<T> a{args.x.data<T>(),     args.mean.data<C>(), args.invstd.data<C>(),
                             args.gamma.data<C>(), args.beta.data<C>(), args.residual.data<T>(),
                             y.data<T>()};
  auto* kernel = args.residual ? batch_norm_forward_kernel<T, V, true>
                               : batch_norm_forward_kernel<T, V, false>;
  launch(exec, "batch_norm_forward", tiles.shape(), kernel, a, args.relu, tiles);
}

}  // namespace

void batch_norm_statistics(const Exec& exec, ConstView x, const BatchNormStatisticsParams& params,
                           View mean, View invstd, View running_mean, View running_var) {
  const std::int64_t channels = mean.numel();
  if (channels == 0) return;
  const std::int64_t rows = x.numel() / channels;
  visit_any_floating(x.dtype, [&]<typename T>() {
    using C = Compute<T>;
    constexpr int kVector = kVectorSize<T>;
    const bool vectors = can_use_vectors<T>({x.pointer}, {}, channels);
    const RowTiles tiles = row_tiles(rows, channels, vectors ? kVector : 1, {.max_blocks = 528});
    const Scratch<C> parts(exec, static_cast<std::size_t>(tiles.num_chunks * 2 * channels));
    auto* kernel =
        vectors ? batch_norm_statistics_kernel<T, kVector> : batch_norm_statistics_kernel<T, 1>;
    launch(exec, "batch_norm_statistics", tiles.shape(), kernel, x.data<T>(), tiles, parts.data());
    launch(exec, "batch_norm_statistics_finish", parts_shape(channels), batch_norm_finish_kernel<C>,
           parts.data(), tiles.num_chunks, tiles.rows_per_chunk, rows, channels, params,
           StatisticsOutputs<C>{mean.data<C>(), invstd.data<C>(), running_mean.data<C>(),
                                running_var.data<C>()});
  });
}

void batch_norm_statistics_from_sums(const Exec& exec, ConstView sums, std::int64_t rows,
                                     const BatchNormStatisticsParams& params, View mean,
                                     View invstd, View running_mean, View running_var) {
  const std::int64_t channels = mean.numel();
  visit_floating(sums.dtype, [&]<typename C>() {
    launch(exec, "batch_norm_statistics_from_sums", parts_shape(channels),
           batch_norm_from_sums_kernel<C>, sums.data<C>(), sums.dim(0), rows, channels, params,
           StatisticsOutputs<C>{mean.data<C>(), invstd.data<C>(), running_mean.data<C>(),
                                running_var.data<C>()});
  });
}

void batch_norm_invstd(const Exec& exec, ConstView var, double eps, View invstd) {
  visit_floating(var.dtype, [&]<typename C>() {
    launch(exec, "batch_norm_invstd", {.grid = {blocks_for(var.numel(), 256)}, .block = {256}},
           batch_norm_invstd_kernel<C>, var.data<C>(), var.numel(), eps, invstd.data<C>());
  });
}

void own_batch_norm_forward(const Exec& exec, const BatchNormForwardArgs& args, View y) {
  if (y.numel() == 0) return;
  const std::int64_t channels = args.mean.numel(), rows = y.numel() / channels;
  visit_any_floating(y.dtype, [&]<typename T>() {
    const bool vectors = can_use_vectors<T>(
        {args.x.pointer, args.residual.pointer, y.pointer},
        {args.mean.pointer, args.invstd.pointer, args.gamma.pointer, args.beta.pointer}, channels);
    if (vectors) return forward<T, kVectorSize<T>>(exec, args, y, rows);
    forward<T, 1>(exec, args, y, rows);
  });
}

}  // namespace akimbo::kernels::cuda
