// What the gather product's kernels (conv_gather.h) share, however they multiply: which tile a
// block computes, and how its sums become outputs.
#pragma once

#include "kernels/cuda/conv/conv_finish.cuh"
#include "kernels/cuda/conv/conv_gather_products.h"
#include "kernels/cuda/gemm/gemm_split.cuh"

namespace akimbo::kernels::device {

using cuda::GatherPhase;
using cuda::GatherProblem;

namespace {

// A block's tile: grid.x counts tiles, those of one row of tiles next to each other so that they
// share the source in the L2 cache (the filter stays there anyhow).
struct GatherPlace {
  int tile_m;  // through all phases
  int phase = 0;
  int m0, n0;  // the first pixel of the phase and the first channel of the group

  __device__ __forceinline__ GatherPlace(const GatherArguments& a, int rows, int columns)
      : tile_m(static_cast<int>(blockIdx.x) / a.tiles_n) {
    while (phase + 1 < a.problem.num_phases && tile_m >= a.problem.phases[phase + 1].first_tile) {
      ++phase;
    }
    m0 = (tile_m - a.problem.phases[phase].first_tile) * rows;
    n0 = static_cast<int>(blockIdx.x) % a.tiles_n * columns;
  }
};

// Index of output pixel m of a phase among the pixels of y.
__device__ __forceinline__ std::int64_t output_pixel(const GatherProblem& p,
                                                     const GatherPhase& phase, int m) {
  const int image = phase.by_image.quotient(m);
  const int rest = m - image * phase.by_image.divisor();
  const int row = phase.by_cols.quotient(rest), col = rest - row * phase.cols.count;
  const std::int64_t y = phase.rows.out_offset + row * p.rows.out_stride;
  return (static_cast<std::int64_t>(image) * p.rows.out_extent + y) * p.cols.out_extent +
         phase.cols.out_offset + col * p.cols.out_stride;
}

// Loop says how the sums lie and who writes: Math::kM x Math::kN sums at kSumPitch, the block's
// first Math::kThreads threads, whose barrier is Loop::sync().

// Writes a tile from the sums in shared memory, kCount channels at a time: finished, or as a part
// of a split sum. Adds what it stored to `sum` and `squares`.
template <typename T, typename Loop, int kCount>
__device__ __forceinline__ void write_tile(const GatherArguments& a, const GatherPhase& phase,
                                           int group, int split, int m0, int n0, const float* sums,
                                           float (&sum)[kCount], float (&squares)[kCount]) {
  using Math = typename Loop::Math;
  constexpr int kPerRow = Math::kN / kCount, kStep = Math::kThreads / kPerRow;
  const GatherProblem& p = a.problem;
  const std::int64_t pitch = static_cast<std::int64_t>(p.groups) * p.outputs;
  const int thread = thread_in_block(), column = thread % kPerRow * kCount;
  if (n0 + column >= p.outputs) return;
  const std::int64_t channel = static_cast<std::int64_t>(group) * p.outputs + n0 + column;
  const Finish<T> finish{static_cast<const float*>(a.result.scale),
                         static_cast<const float*>(a.result.shift),
                         static_cast<const T*>(a.result.residual), a.result.relu};
  T* y = static_cast<T*>(a.result.y);
  const std::int64_t numel =
      static_cast<std::int64_t>(p.images) * p.rows.out_extent * p.cols.out_extent * pitch;
  float* partial = a.partial == nullptr ? nullptr : a.partial + split * numel;
  for (int row = thread / kPerRow; row < Math::kM && m0 + row < phase.pixels; row += kStep) {
    const std::int64_t index = output_pixel(p, phase, m0 + row) * pitch + channel;
    float values[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = sums[row * Loop::kSumPitch + column + i];
    if (partial != nullptr) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) partial[index + i] = values[i];
      continue;
    }
    const Vector<T, kCount> stored = finish.vector(values, channel, index);
    store_vector(y + index, stored);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float value = to_float(stored[i]);
      sum[i] += value;
      squares[i] += value * value;
    }
  }
}

// Adds the threads' sums over their rows in a fixed order, and writes those of the tile.
template <typename Loop, int kCount>
__device__ __forceinline__ void write_tile_sums(const GatherArguments& a, int tile_m, int group,
                                                int n0, float* shared, const float (&sum)[kCount],
                                                const float (&squares)[kCount]) {
  using Math = typename Loop::Math;
  constexpr int kPerRow = Math::kN / kCount, kStep = Math::kThreads / kPerRow;
  const int thread = thread_in_block(), column = thread % kPerRow * kCount;
  Loop::sync();  // the tile's sums are no longer read
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    shared[(thread / kPerRow * 2 + 0) * Math::kN + column + i] = sum[i];
    shared[(thread / kPerRow * 2 + 1) * Math::kN + column + i] = squares[i];
  }
  Loop::sync();
  const std::int64_t channels = static_cast<std::int64_t>(a.problem.groups) * a.problem.outputs;
  for (int i = thread; i < 2 * Math::kN; i += Math::kThreads) {
    const int which = i / Math::kN, n = i % Math::kN;
    if (n0 + n >= a.problem.outputs) continue;
    float total = 0;
    for (int row = 0; row < kStep; ++row) total += shared[(row * 2 + which) * Math::kN + n];
    a.tile_sums[(tile_m * std::int64_t{2} + which) * channels +
                static_cast<std::int64_t>(group) * a.problem.outputs + n0 + n] = total;
  }
}

template <typename T, typename Loop, int kCount>
__device__ __forceinline__ void finish_tile(const GatherArguments& a, const GatherPlace& place,
                                            float* shared) {
  const int group = static_cast<int>(blockIdx.y), split = static_cast<int>(blockIdx.z);
  float sum[kCount], squares[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum[i] = squares[i] = 0;
  write_tile<T, Loop, kCount>(a, a.problem.phases[place.phase], group, split, place.m0, place.n0,
                              shared, sum, squares);
  if (a.tile_sums != nullptr) {
    write_tile_sums<Loop, kCount>(a, place.tile_m, group, place.n0, shared, sum, squares);
  }
}

}  // namespace
}  // namespace akimbo::kernels::device
