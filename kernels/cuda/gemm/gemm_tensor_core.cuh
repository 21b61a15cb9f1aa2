// Arithmetic of a matrix product's block on tensor cores: bf16, f16 and tf32 (f32 operands rounded
// to 10 bits), sums in f32. Fragment layouts are those of mma.m16n8k16 and mma.m16n8k8 (PTX ISA).
#pragma once

#include "kernels/cuda/gemm/gemm_tile.cuh"

namespace akimbo::kernels::device {

// A block of kM x kN sums, kK of the summed index at a time, cut among kWarpsM x kWarpsN warps.
// T is BFloat16, Float16 or float (tf32).
template <typename T, int kM_, int kN_, int kK_, int kWarpsM, int kWarpsN>
class TensorCoreMath {
 public:
  using Element = T;
  static constexpr int kM = kM_, kN = kN_, kK = kK_;
  static constexpr int kThreads = kWarpsM * kWarpsN * kWarpSize;
  static constexpr int kMinBlocks = 2;  // per multiprocessor; 255 registers leave room for two

  template <Order kOrder, int kExtent>
  using Tile =
      std::conditional_t<kOrder == Order::k_contiguous, SwizzledTile<T, kExtent, kK, 0>,
                         std::conditional_t<sizeof(T) == 2, SwizzledTile<T, kK, kExtent, 0>,
                                            PaddedTile<T, kK, kExtent>>>;

  __device__ TensorCoreMath() {
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums_[i][j][e] = 0;
      }
    }
  }

  // sums += a b for one slice of the summed index, both tiles complete in shared memory.
  template <Order kOrderA, Order kOrderB>
  __device__ __forceinline__ void multiply(const char* a, const char* b) {
    const int warp = warp_index(), lane = lane_index();
    const int m0 = warp / kWarpsN * kWarpM, n0 = warp % kWarpsN * kWarpN;
#pragma unroll
    for (int k = 0; k < kK; k += kStepK) {
      std::uint32_t fa[kTilesM][4], fb[kTilesN][2];
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) load_a<kOrderA>(fa[i], a, m0 + 16 * i, k, lane);
#pragma unroll
      for (int j = 0; j < kTilesN; j += 2) {
        load_b_pair<kOrderB>(fb[j], fb[j + 1], b, n0 + 8 * j, k, lane);
      }
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
        for (int j = 0; j < kTilesN; ++j) multiply_add(sums_[i][j], fa[i], fb[j]);
      }
    }
  }

  // Writes the sums to out [kM, pitch].
  __device__ __forceinline__ void store(float* out, int pitch) const {
    const int warp = warp_index(), lane = lane_index();
    const int m0 = warp / kWarpsN * kWarpM + lane / 4, n0 = warp % kWarpsN * kWarpN + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
        float* at = out + (m0 + 16 * i) * pitch + n0 + 8 * j;
        store_vector(at, Vector<float, 2>{sums_[i][j][0], sums_[i][j][1]});
        store_vector(at + 8 * pitch, Vector<float, 2>{sums_[i][j][2], sums_[i][j][3]});
      }
    }
  }

 private:
  static constexpr int kWarpM = kM / kWarpsM, kWarpN = kN / kWarpsN;
  static constexpr int kTilesM = kWarpM / 16, kTilesN = kWarpN / 8;
  static constexpr int kStepK = 32 / sizeof(T);  // of one mma: 16, tf32 8
  static constexpr int kHalf = kStepK / 2;       // elements in 16 bytes
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && kK % kStepK == 0);

  static __device__ __forceinline__ std::uint32_t tf32_bits(std::uint32_t f32_bits) {
    float value;
    memcpy(&value, &f32_bits, 4);
    return to_tf32(value);
  }

  // A 16 x kStepK: quarter q of the fragment is rows (q % 2) * 8, half (q / 2) of k. A matrix of
  // ldmatrix is eight rows of 16 bytes, whatever they hold: eight bf16, or four f32.
  template <Order kOrder>
  static __device__ __forceinline__ void load_a(std::uint32_t (&f)[4], const char* tile, int m,
                                                int k, int lane) {
    using A = Tile<kOrder, kM>;
    if constexpr (kOrder == Order::k_contiguous) {
      load_matrix_x4(f, tile + A::offset(m + lane % 16, k + lane / 16 * kHalf));
    } else if constexpr (sizeof(T) == 2) {
      load_matrix_x4_trans(f, tile + A::offset(k + lane / 16 * 8 + lane % 8, m + lane / 8 % 2 * 8));
    } else {
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        f[q] = word(tile + A::offset(k + lane % 4 + q / 2 * 4, m + lane / 4 + q % 2 * 8));
      }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int q = 0; q < 4; ++q) f[q] = tf32_bits(f[q]);
    }
  }

  // B kStepK x 16, as two fragments of eight columns: each has two halves of k.
  template <Order kOrder>
  static __device__ __forceinline__ void load_b_pair(std::uint32_t (&f)[2], std::uint32_t (&g)[2],
                                                     const char* tile, int n, int k, int lane) {
    using B = Tile<kOrder, kN>;
    std::uint32_t r[4];
    if constexpr (kOrder == Order::k_contiguous) {
      load_matrix_x4(r, tile + B::offset(n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * kHalf));
    } else if constexpr (sizeof(T) == 2) {
      load_matrix_x4_trans(r, tile + B::offset(k + lane % 16, n + lane / 16 * 8));
    } else {
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        r[q] = word(tile + B::offset(k + lane % 4 + q % 2 * 4, n + lane / 4 + q / 2 * 8));
      }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int q = 0; q < 4; ++q) r[q] = tf32_bits(r[q]);
    }
    f[0] = r[0];
    f[1] = r[1];
    g[0] = r[2];
    g[1] = r[3];
  }

  static __device__ __forceinline__ std::uint32_t word(const char* at) {
    return *reinterpret_cast<const std::uint32_t*>(at);
  }

  static __device__ __forceinline__ void multiply_add(float (&d)[4], const std::uint32_t (&a)[4],
                                                      const std::uint32_t (&b)[2]) {
    if constexpr (std::is_same_v<T, BFloat16>) {
      mma_bf16(d, a, b);
    } else if constexpr (std::is_same_v<T, Float16>) {
      mma_f16(d, a, b);
    } else {
      mma_tf32(d, a, b);
    }
  }

  float sums_[kTilesM][kTilesN][4];
};

}  // namespace akimbo::kernels::device
