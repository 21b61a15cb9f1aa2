// Loaders of the gather product (conv_gather.h): they say which element of the source and of the
// filter stands where in a tile. No im2col buffer: a tile's row is an output pixel, its columns are
// (tap, channel), and each piece of 16 bytes is fetched from the pixel that the tap ties to.
#pragma once

#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/gemm/gemm_tile.cuh"

namespace akimbo::kernels::device {

using cuda::GatherPhase;
using cuda::GatherProblem;

// Index k of the sum as tap and channel. Divisions by launch constants are cheap beside the copies.
struct SumIndex {
  int channel, tap_y, tap_x;
  bool valid;

  __device__ __forceinline__ SumIndex(const GatherProblem& p, const GatherPhase& phase, int k) {
    const int tap = p.by_channels.quotient(k);
    channel = k - tap * p.channels;
    tap_y = phase.by_taps_x.quotient(tap);
    tap_x = tap - tap_y * phase.cols.taps;
    valid = tap_y < phase.rows.taps;
  }
  // Of the whole filter.
  [[nodiscard]] __device__ __forceinline__ int filter_tap(const GatherProblem& p,
                                                          const GatherPhase& phase) const {
    return (phase.rows.first_tap + tap_y * p.rows.tap_stride) * p.cols.filter_extent +
           phase.cols.first_tap + tap_x * p.cols.tap_stride;
  }
};

// Operand A: the gathered source.
template <typename T, typename Tile, int kThreads, int kPiece>
class SourceLoader {
 public:
  // First row of the tile is output pixel m0 of the phase.
  __device__ __forceinline__ SourceLoader(const GatherProblem& p, const GatherPhase& phase,
                                          int group, int m0)
      : p_(p),
        phase_(phase),
        source_(static_cast<const T*>(p.source) + static_cast<std::int64_t>(group) * p.channels),
        pitch_(p.groups * p.channels) {
    const int thread = thread_in_block();
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const int m = m0 + Map::row(thread, pass);
      const int image = phase.by_image.quotient(m);
      const int rest = m - image * phase.by_image.divisor();
      const int row = phase.by_cols.quotient(rest);
      const int col = rest - row * phase.cols.count;
      const int y = row * p.rows.source_stride + phase.rows.source_offset;
      x_[pass] = col * p.cols.source_stride + phase.cols.source_offset;
      y_[pass] = m < phase.pixels ? y : kNowhere;
      pixel_[pass] = m < phase.pixels
                         ? (image * p.rows.source_extent + y) * p.cols.source_extent + x_[pass]
                         : 0;
    }
  }

  __device__ __forceinline__ void copy(char* tile, int slice) const {
    const int thread = thread_in_block(), column = Map::column(thread);
    const SumIndex k(p_, phase_, slice * Tile::kColumns + column);
    const int dy = k.tap_y * p_.rows.tap_step, dx = k.tap_x * p_.cols.tap_step;
    const int step = dy * p_.cols.source_extent + dx;
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const bool inside =
          k.valid &&
          static_cast<unsigned>(y_[pass] + dy) < static_cast<unsigned>(p_.rows.source_extent) &&
          static_cast<unsigned>(x_[pass] + dx) < static_cast<unsigned>(p_.cols.source_extent);
      const std::int64_t offset =
          static_cast<std::int64_t>(pixel_[pass] + step) * pitch_ + k.channel;
      copy_piece<kPiece>(tile + Tile::offset(Map::row(thread, pass), column), source_ + offset,
                         source_, inside);
    }
  }

 private:
  using Map = PieceMap<Tile, kThreads, kPiece>;
  static constexpr int kNowhere = -(1 << 29);  // outside for every tap

  const GatherProblem& p_;
  const GatherPhase& phase_;
  const T* source_;
  std::int64_t pitch_;
  // Source pixel of tap 0: its row, its column and its index (of no meaning while outside).
  int y_[Map::kPasses], x_[Map::kPasses], pixel_[Map::kPasses];
};

// Operand B, filter [outputs, taps, channels]: a tile's row is an output channel.
template <typename T, typename Tile, int kThreads, int kPiece>
class FilterRowLoader {
 public:
  __device__ __forceinline__ FilterRowLoader(const GatherProblem& p, const GatherPhase& phase,
                                             int group, int n0)
      : p_(p),
        phase_(phase),
        pitch_(static_cast<std::int64_t>(p.rows.filter_extent) * p.cols.filter_extent * p.channels),
        first_(n0 + Map::row(thread_in_block(), 0)),
        row_(static_cast<const T*>(p.filter) +
             (static_cast<std::int64_t>(group) * p.outputs + first_) * pitch_) {}

  __device__ __forceinline__ void copy(char* tile, int slice) const {
    const int thread = thread_in_block(), column = Map::column(thread);
    const SumIndex k(p_, phase_, slice * Tile::kColumns + column);
    const T* from =
        row_ + static_cast<std::int64_t>(k.filter_tap(p_, phase_)) * p_.channels + k.channel;
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const bool inside = k.valid && first_ + pass * Map::kStep < p_.outputs;
      copy_piece<kPiece>(tile + Tile::offset(Map::row(thread, pass), column),
                         from + pass * Map::kStep * pitch_, static_cast<const T*>(p_.filter),
                         inside);
    }
  }

 private:
  using Map = PieceMap<Tile, kThreads, kPiece>;
  const GatherProblem& p_;
  const GatherPhase& phase_;
  std::int64_t pitch_;
  int first_;
  const T* row_;
};

// Operand B, filter [channels, taps, outputs]: a tile's row is an index of the sum.
template <typename T, typename Tile, int kThreads, int kPiece>
class FilterColumnLoader {
 public:
  __device__ __forceinline__ FilterColumnLoader(const GatherProblem& p, const GatherPhase& phase,
                                                int group, int n0)
      : p_(p),
        phase_(phase),
        column_(n0 + Map::column(thread_in_block())),
        filter_(static_cast<const T*>(p.filter) + static_cast<std::int64_t>(group) * p.channels *
                                                      p.rows.filter_extent * p.cols.filter_extent *
                                                      p.outputs) {}

  __device__ __forceinline__ void copy(char* tile, int slice) const {
    const int thread = thread_in_block();
    const int num_taps = p_.rows.filter_extent * p_.cols.filter_extent;
#pragma unroll
    for (int pass = 0; pass < Map::kPasses; ++pass) {
      const int row = Map::row(thread, pass);
      const SumIndex k(p_, phase_, slice * Tile::kRows + row);
      const std::int64_t index =
          static_cast<std::int64_t>(k.channel) * num_taps + k.filter_tap(p_, phase_);
      copy_piece<kPiece>(tile + Tile::offset(row, Map::column(thread)),
                         filter_ + index * p_.outputs + column_, filter_,
                         k.valid && column_ < p_.outputs);
    }
  }

 private:
  using Map = PieceMap<Tile, kThreads, kPiece>;
  const GatherProblem& p_;
  const GatherPhase& phase_;
  int column_;
  const T* filter_;
};

}  // namespace akimbo::kernels::device
