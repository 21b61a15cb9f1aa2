// Arithmetic of a matrix product's block in plain f32: every thread keeps kRows x kColumns sums in
// registers and reads its operands four at a time.
#pragma once

#include "kernels/cuda/gemm/gemm_tile.cuh"

namespace akimbo::kernels::device {

// A block of kM x kN sums, kK of the summed index at a time. A thread's rows are groups of four,
// kM / (kRows / 4) apart, and its columns likewise; a warp covers eight threads along n and four
// along m, so that eight lanes read eight different rows of B, which the swizzle keeps in different
// banks, and one row of A, which is broadcast.
template <int kM_, int kN_, int kK_, int kRows, int kColumns>
class FmaMath {
 public:
  using Element = float;
  static constexpr int kM = kM_, kN = kN_, kK = kK_;
  static constexpr int kThreads = kM / kRows * (kN / kColumns);
  static constexpr int kMinBlocks = kThreads > 128 ? 1 : 2;  // per multiprocessor

  template <Order kOrder, int kExtent>
  using Tile =
      std::conditional_t<kOrder == Order::k_contiguous, SwizzledTile<float, kExtent, kK, 2>,
                         PaddedTile<float, kK, kExtent>>;

  __device__ FmaMath() {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) sums_[i][j] = 0;
    }
  }

  template <Order kOrderA, Order kOrderB>
  __device__ __forceinline__ void multiply(const char* a, const char* b) {
    const int m0 = thread_row() * 4, n0 = thread_column() * 4;
    // Unrolled no further: registers for two blocks per multiprocessor matter more.
#pragma unroll 2
    for (int k = 0; k < kK; k += 4) {
      float fa[kRows][4];
#pragma unroll
      for (int i = 0; i < kRows; i += 4) load<kOrderA, kM>(&fa[i], a, m0 + i / 4 * kGapM, k);
#pragma unroll
      for (int j = 0; j < kColumns; j += 4) {
        float fb[4][4];
        load<kOrderB, kN>(fb, b, n0 + j / 4 * kGapN, k);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
#pragma unroll
          for (int i = 0; i < kRows; ++i) {
#pragma unroll
            for (int c = 0; c < 4; ++c) sums_[i][j + c] += fa[i][e] * fb[c][e];
          }
        }
      }
    }
  }

  __device__ __forceinline__ void store(float* out, int pitch) const {
    const int m0 = thread_row() * 4, n0 = thread_column() * 4;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; j += 4) {
        store_vector(
            out + (m0 + i / 4 * kGapM + i % 4) * pitch + n0 + j / 4 * kGapN,
            Vector<float, 4>{sums_[i][j], sums_[i][j + 1], sums_[i][j + 2], sums_[i][j + 3]});
      }
    }
  }

 private:
  static constexpr int kGapM = kM / (kRows / 4), kGapN = kN / (kColumns / 4);
  static constexpr int kWarpsN = kN / kColumns / 8;
  static_assert(kRows % 4 == 0 && kColumns % 4 == 0 && kN / kColumns % 8 == 0 &&
                kM / kRows % 4 == 0);

  static __device__ __forceinline__ int thread_row() {
    return warp_index() / kWarpsN * 4 + lane_index() / 8;
  }
  static __device__ __forceinline__ int thread_column() {
    return warp_index() % kWarpsN * 8 + lane_index() % 8;
  }

  // to[row][k] of four rows (or columns of B) and four k.
  template <Order kOrder, int kExtent>
  static __device__ __forceinline__ void load(float (*to)[4], const char* tile, int row, int k) {
    using Operand = Tile<kOrder, kExtent>;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at =
          kOrder == Order::k_contiguous ? Operand::offset(row + i, k) : Operand::offset(k + i, row);
      const auto v = load_vector<4>(reinterpret_cast<const float*>(tile + at));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if constexpr (kOrder == Order::k_contiguous) {
          to[i][e] = v[e];
        } else {
          to[e][i] = v[e];
        }
      }
    }
  }

  float sums_[kRows][kColumns];
};

}  // namespace akimbo::kernels::device
