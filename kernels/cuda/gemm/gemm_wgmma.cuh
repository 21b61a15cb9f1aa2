// The main loop of the 16-bit matrix products on sm_90a: one thread orders copies of the operands
// into a ring of stages in shared memory (the copy engine's tensor maps), two warpgroups multiply
// what has arrived (wgmma). As in gemm_loop.cuh, products differ in where their tiles come from and
// in what is done with the sums.
//
// Blocks are not persistent: each computes one tile. Where registers and shared memory allow two at
// a time per multiprocessor, one stores its sums while the other multiplies, and stages are never
// written by both the copy engine and ordinary stores of a live loop, so that no proxy fence is
// needed: sums are staged in their memory only after the last copy has arrived and been read.
#pragma once

#include <algorithm>

#include "kernels/cuda/gemm/gemm_order.h"
#include "kernels/cuda/hopper.cuh"

namespace akimbo::kernels::device {

// A tile of 16-bit elements as the copy engine writes it: rows of kSpan elements, which fill the
// span of the swizzle (128 or 64 bytes). k_contiguous: kExtent rows of M (N), each kSpan = kK
// elements of the sum, in one box. k_strided: a box per kSpan elements of M (N), with kK rows.
template <kernels::Order kOrder, int kExtent, int kK_, int kSpan>
struct WgmmaTile {
  static constexpr bool kIsContiguous = kOrder == kernels::Order::k_contiguous;
  static constexpr int kK = kK_, kBoxColumns = kSpan;
  static constexpr int kBoxes = kIsContiguous ? 1 : kExtent / kSpan;
  static constexpr int kBytes = kExtent * kK * 2, kBoxBytes = kBytes / kBoxes;
  static constexpr Swizzle kSwizzle = kSpan == 64 ? Swizzle::bytes_128 : Swizzle::bytes_64;
  static constexpr device::Order kMatrixOrder =
      kIsContiguous ? device::Order::k_major : device::Order::mn_major;
  static_assert(kSpan == 64 || kSpan == 32, "rows fill the span of a swizzle");
  static_assert(kIsContiguous ? kSpan == kK : kExtent % kSpan == 0);
  static_assert(kBoxBytes % 1024 == 0, "swizzles repeat every 1024 bytes");

  // Of the rows from `first` on (a multiple of 64, or of kSpan), k a multiple of 16.
  static __device__ __forceinline__ std::uint64_t descriptor(const char* tile, int first, int k) {
    if constexpr (kIsContiguous) {
      return matrix_descriptor(tile + (first * kSpan + k) * 2, k_major_layout(kSwizzle));
    } else {
      return matrix_descriptor(tile + first / kSpan * kBoxBytes + k * kSpan * 2,
                               mn_major_layout(kSwizzle, kBoxBytes));
    }
  }
};

// A block of kM x kN sums, cut among two warpgroups: along m, or along n where kM is 64.
template <typename T, int kM_, int kN_>
class WgmmaMath {
 public:
  using Element = T;
  static constexpr int kM = kM_, kN = kN_;
  static constexpr int kThreads = 256;  // that multiply and store

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
      for (int e = 0; e < kWidth / 2; ++e) sums_[i][e] = 0;
    }
  }

  // Starts sums (+)= a b for one slice of the summed index: a group of wgmma.
  template <typename TileA, typename TileB, bool kAccumulates>
  __device__ __forceinline__ void multiply(const char* a, const char* b) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < TileA::kK; k += 16) {
      const std::uint64_t columns = TileB::descriptor(b, first_column(), k);
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
        const std::uint64_t rows = TileA::descriptor(a, first_row() + 64 * i, k);
        wgmma<T, kWidth, TileA::kMatrixOrder, TileB::kMatrixOrder>(sums_[i], rows, columns,
                                                                   kAccumulates || k > 0);
      }
    }
    wgmma_commit();
  }

  __device__ __forceinline__ void wait() {
    wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) wgmma_result(sums_[i]);
  }

  // Writes the sums to out [kM, pitch].
  __device__ __forceinline__ void store(float* out, int pitch) const {
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
      for (int e = 0; e < kWidth / 2; e += 2) {
        const AccumulatorPlace at = accumulator_place(e);
        store_vector(out + (first_row() + 64 * i + at.row) * pitch + first_column() + at.column,
                     Vector<float, 2>{sums_[i][e], sums_[i][e + 1]});
      }
    }
  }

 private:
  static constexpr bool kCutsRows = kM > 64;
  static constexpr int kBlocks = kCutsRows ? kM / 128 : 1;  // of 64 rows, per warpgroup
  static constexpr int kWidth = kCutsRows ? kN : kN / 2;
  static_assert(kCutsRows ? kM % 128 == 0 : kM == 64);

  static __device__ __forceinline__ int warpgroup() { return warp_index() / 4; }
  static __device__ __forceinline__ int first_row() { return kCutsRows ? warpgroup() * kM / 2 : 0; }
  static __device__ __forceinline__ int first_column() {
    return kCutsRows ? 0 : warpgroup() * kWidth;
  }

  float sums_[kBlocks][kWidth / 2];
};

template <typename Math_, typename TileA_, typename TileB_>
struct WgmmaLoop {
  using Math = Math_;
  using TileA = TileA_;
  using TileB = TileB_;
  static constexpr int kK = TileA::kK;
  static constexpr int kThreads = Math::kThreads + kWarpSize;  // the last warp orders copies
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  // The sums leave through shared memory; 32 bytes of padding keep rows in different banks.
  static constexpr int kSumPitch = Math::kN + 8;
  static constexpr int kSumBytes = Math::kM * kSumPitch * 4;

 private:
  // A multiprocessor has 228 KB, of which every block costs 1 KB beside its own.
  static constexpr int kMaxStages = 8;
  static constexpr int kBarrierBytes = 2 * kMaxStages * sizeof(Barrier);
  static constexpr int stages_of(int blocks) {
    const int bytes = (228 / blocks - 1) * 1024 - kBarrierBytes;
    return std::min(kMaxStages, bytes / kStageBytes);
  }

 public:
  // Two blocks per multiprocessor where 64 sums per thread leave the registers for it, and a ring
  // of three: one slice being read, one behind it, one on its way.
  static constexpr int kMinBlocks = Math::kM * Math::kN <= 128 * 128 && stages_of(2) >= 3 ? 2 : 1;
  static constexpr int kStages = stages_of(kMinBlocks);
  static constexpr int kRingBytes = std::max(kStages * kStageBytes, kSumBytes);
  static constexpr int kSharedBytes = kRingBytes + kBarrierBytes;
  static_assert(kStages >= 3 && TileB::kK == kK);

  // For those who write the sums: the warpgroups that multiply.
  static __device__ __forceinline__ void sync() { sync_threads(1, Math::kThreads); }

  // sums += the slices [begin, end). copies(stage, full, slice) orders the copies of both tiles, in
  // all kStageBytes, A before B, and lets them count on barrier `full`. False for the threads that
  // have no sums, which are done; for the others `shared` is free for other use on return.
  template <typename Copies>
  static __device__ __forceinline__ bool run(Math& sums, const Copies& copies, int begin, int end,
                                             char* shared) {
    Barrier* const full = reinterpret_cast<Barrier*>(shared + kRingBytes);
    Barrier* const empty = full + kStages;
    if (thread_in_block() == 0) {
      for (int i = 0; i < kStages; ++i) {
        barrier_init(full + i, 1);
        barrier_init(empty + i, Math::kThreads / kWarpSize);
      }
      fence_barrier_init();
    }
    sync_block();
    // From lane 0, so that the compiler knows it to be the same in the whole warp: it serialises
    // wgmma in code that it takes for divergent.
    if (shuffle(warp_index(), 0) == Math::kThreads / kWarpSize) {
      if (lane_index() == 0) fetch(copies, begin, end, shared, full, empty);
      return false;
    }
    multiply(sums, begin, end, shared, full, empty);
    sync();  // the other warpgroup may be reading yet
    return true;
  }

 private:
  template <typename Copies>
  static __device__ __forceinline__ void fetch(const Copies& copies, int begin, int end,
                                               char* shared, Barrier* full, Barrier* empty) {
    int stage = 0;
    int parity = 1;  // the first round finds every stage free
    for (int slice = begin; slice < end; ++slice) {
      if (slice - begin >= kStages) barrier_wait(empty + stage, parity);
      barrier_arrive_expect(full + stage, kStageBytes);
      copies(shared + stage * kStageBytes, full + stage, slice);
      if (++stage == kStages) {
        stage = 0;
        parity ^= 1;
      }
    }
  }

  // Waits for a stage and starts its products.
  template <bool kAccumulates>
  static __device__ __forceinline__ void start(Math& sums, const char* shared, Barrier* full,
                                               int stage, int parity) {
    barrier_wait(full + stage, parity);
    const char* tiles = shared + stage * kStageBytes;
    sums.template multiply<TileA, TileB, kAccumulates>(tiles, tiles + TileA::kBytes);
  }

  // One group of wgmma is always under way: a stage is given back when the next one's has begun.
  // The first slice stands before the loop, which then finds its sums in registers that only wgmma
  // writes: otherwise ptxas waits after every instruction.
  static __device__ __forceinline__ void multiply(Math& sums, int begin, int end,
                                                  const char* shared, Barrier* full,
                                                  Barrier* empty) {
    if (begin >= end) return sums.clear();
    start<false>(sums, shared, full, 0, 0);
    int stage = 1, previous = 0, parity = 0;
    for (int slice = begin + 1; slice < end; ++slice) {
      start<true>(sums, shared, full, stage, parity);
      wgmma_wait<1>();
      // Each warp for itself: that one has its sums does not say that the others have read.
      if (lane_index() == 0) barrier_arrive(empty + previous);
      previous = stage;
      if (++stage == kStages) {
        stage = 0;
        parity ^= 1;
      }
    }
    sums.wait();
  }
};

}  // namespace akimbo::kernels::device
