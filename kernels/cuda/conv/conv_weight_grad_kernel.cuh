// The weight gradient's kernel (conv_weight_grad.h): a block sums a tile of small channels x (taps,
// big channels) over a run of pixels. Both operands lie with the summed index, the pixel, first.
#pragma once

#include "kernels/cuda/conv/conv_weight_grad_products.h"
#include "kernels/cuda/gemm/gemm_loop.cuh"
#include "kernels/cuda/gemm/gemm_split.cuh"

namespace akimbo::kernels::device {

using cuda::WeightGradProblem;

// Operand A: rows of the tile are pixels, columns are channels of the small map.
template <typename T, typename Tile, int kThreads, int kPiece>
class SmallLoader {
 public:
  __device__ __forceinline__ SmallLoader(const WeightGradProblem& p, int group, int m0)
      : small_(static_cast<const T*>(p.small)),
        pitch_(static_cast<std::int64_t>(p.groups) * p.small_channels),
        pixels_(p.pixels) {
    const int channel = m0 + Map::column(thread_in_block());
    inside_ = channel < p.small_channels;
    offset_ = static_cast<std::int64_t>(group) * p.small_channels + channel;
  }

  __device__ __forceinline__ void copy(char* tile, int slice) const {
    const int thread = thread_in_block();
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const int row = Map::row(thread, pass), pixel = slice * Tile::kRows + row;
      copy_piece<kPiece>(tile + Tile::offset(row, Map::column(thread)),
                         small_ + pixel * pitch_ + offset_, small_, inside_ && pixel < pixels_);
    }
  }

 private:
  using Map = PieceMap<Tile, kThreads, kPiece>;
  const T* small_;
  std::int64_t pitch_, offset_;
  int pixels_;
  bool inside_;
};

// Operand B: rows of the tile are pixels of the small map, columns are (tap, channel of the big
// map); a thread's column, and with it its tap, stays the same.
template <typename T, typename Tile, int kThreads, int kPiece>
class BigLoader {
 public:
  __device__ __forceinline__ BigLoader(const WeightGradProblem& p, int group, int n0)
      : p_(p), big_(static_cast<const T*>(p.big)) {
    const int n = n0 + Map::column(thread_in_block());
    const int tap = p.by_big_channels.quotient(n), channel = n - tap * p.big_channels;
    const int tap_y = p.by_taps_x.quotient(tap), tap_x = tap - tap_y * p.cols.taps;
    inside_ = tap_y < p.rows.taps;
    y_ = p.rows.offset + tap_y * p.rows.step;
    x_ = p.cols.offset + tap_x * p.cols.step;
    channel_ = static_cast<std::int64_t>(group) * p.big_channels + channel;
  }

  __device__ __forceinline__ void copy(char* tile, int slice) const {
    const int thread = thread_in_block();
    const std::int64_t pitch = static_cast<std::int64_t>(p_.groups) * p_.big_channels;
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const int row = Map::row(thread, pass), pixel = slice * Tile::kRows + row;
      const int image = p_.by_image.quotient(pixel);
      const int rest = pixel - image * p_.by_image.divisor();
      const int small_row = p_.by_cols.quotient(rest);
      const int y = small_row * p_.rows.stride + y_;
      const int x = (rest - small_row * p_.cols.small_extent) * p_.cols.stride + x_;
      const bool inside = inside_ && pixel < p_.pixels &&
                          static_cast<unsigned>(y) < static_cast<unsigned>(p_.rows.big_extent) &&
                          static_cast<unsigned>(x) < static_cast<unsigned>(p_.cols.big_extent);
      const std::int64_t index =
          (static_cast<std::int64_t>(image) * p_.rows.big_extent + y) * p_.cols.big_extent + x;
      copy_piece<kPiece>(tile + Tile::offset(row, Map::column(thread)),
                         big_ + index * pitch + channel_, big_, inside);
    }
  }

 private:
  using Map = PieceMap<Tile, kThreads, kPiece>;
  const WeightGradProblem& p_;
  const T* big_;
  std::int64_t channel_;
  int y_, x_;  // of the big pixel that small pixel (0, 0) meets
  bool inside_;
};

namespace {

// Grid: x = tiles, those that share small channels next to each other; y = groups; z = splits.
template <typename Loop, int kPiece>
__global__ __launch_bounds__(
    Loop::Math::kThreads,
    Loop::Math::kMinBlocks) void conv_weight_grad_kernel(WeightGradArguments a) {
  using Math = typename Loop::Math;
  using T = typename Math::Element;
  const WeightGradProblem& p = a.problem;
  const int tile_n = static_cast<int>(blockIdx.x) % a.tiles_n;
  const int tile_m = static_cast<int>(blockIdx.x) / a.tiles_n;
  const int m0 = tile_m * Math::kM, n0 = tile_n * Math::kN;
  const int group = static_cast<int>(blockIdx.y), split = static_cast<int>(blockIdx.z);
  const SplitRange slices((p.pixels + Math::kK - 1) / Math::kK, a.splits);

  const SmallLoader<T, typename Loop::TileA, Math::kThreads, kPiece> small(p, group, m0);
  const BigLoader<T, typename Loop::TileB, Math::kThreads, kPiece> big(p, group, n0);
  char* shared = dynamic_shared<char>();
  Math sums;
  Loop::run(sums, small, big, slices.begin, slices.end, shared);

  float* staged = reinterpret_cast<float*>(shared);
  sums.store(staged, Loop::kSumPitch);
  sync_block();
  const int columns = p.rows.taps * p.cols.taps * p.big_channels;
  float* out = a.partial +
               (static_cast<std::int64_t>(split) * p.groups + group) * p.small_channels * columns;
  for (int i = thread_in_block(); i < Math::kM * Math::kN; i += Math::kThreads) {
    const int row = i / Math::kN, column = i % Math::kN;
    if (m0 + row >= p.small_channels || n0 + column >= columns) continue;
    out[static_cast<std::int64_t>(m0 + row) * columns + n0 + column] =
        staged[row * Loop::kSumPitch + column];
  }
}

}  // namespace
}  // namespace akimbo::kernels::device
