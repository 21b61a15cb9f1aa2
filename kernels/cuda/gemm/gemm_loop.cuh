// The main loop of every matrix product here: convolutions, their gradients and matmul differ in
// the two loaders (where a tile's elements come from) and in what is done with the sums.
#pragma once

#include "kernels/cuda/gemm/gemm_tile.cuh"

namespace akimbo::kernels::device {

// Math: TensorCoreMath or FmaMath. While one slice of the summed index is multiplied, the copies of
// the next kStages - 1 are under way.
template <typename Math_, Order kOrderA, Order kOrderB, int kStages>
struct GemmLoop {
  using Math = Math_;
  using T = typename Math::Element;
  using TileA = typename Math::template Tile<kOrderA, Math::kM>;
  using TileB = typename Math::template Tile<kOrderB, Math::kN>;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  // The sums leave through shared memory too; 32 bytes of padding keep rows in different banks.
  static constexpr int kSumPitch = Math::kN + 8;
  static constexpr int kSumBytes = Math::kM * kSumPitch * 4;
  static constexpr int kSharedBytes =
      kStages * kStageBytes > kSumBytes ? kStages* kStageBytes : kSumBytes;
  static_assert(TileA::kBytes % 128 == 0 && kStages >= 2);

  // For those who write the sums: every thread of the block.
  static __device__ __forceinline__ void sync() { sync_block(); }

  // sums += the slices [begin, end). A loader's copy(tile, slice) starts the copies of this
  // thread's part of a tile. `shared` has kSharedBytes and is free for other use on return.
  template <typename LoadA, typename LoadB>
  static __device__ __forceinline__ void run(Math& sums, const LoadA& load_a, const LoadB& load_b,
                                             int begin, int end, char* shared) {
    const auto fetch = [&](int slice) {
      if (slice < end) {
        char* stage = shared + static_cast<unsigned>(slice - begin) % kStages * kStageBytes;
        load_a.copy(stage, slice);
        load_b.copy(stage + TileA::kBytes, slice);
      }
      commit_copies();  // an empty group too: the wait below counts groups
    };
    for (int i = 0; i < kStages - 1; ++i) fetch(begin + i);
    for (int slice = begin; slice < end; ++slice) {
      wait_copies<kStages - 2>();
      // Makes the slice visible to all, and tells that all are done with the one before it, whose
      // place the fetch takes.
      sync_block();
      fetch(slice + kStages - 1);
      const char* stage = shared + static_cast<unsigned>(slice - begin) % kStages * kStageBytes;
      sums.template multiply<kOrderA, kOrderB>(stage, stage + TileA::kBytes);
    }
    wait_copies<0>();
    sync_block();
  }
};

}  // namespace akimbo::kernels::device
