// The gather product's kernel (conv_gather.h): one block computes a tile of output pixels x output
// channels of one phase and group, or a part of its sum when the sum is split.
#pragma once

#include "kernels/cuda/conv/conv_gather_tile.cuh"
#include "kernels/cuda/conv/conv_loaders.cuh"
#include "kernels/cuda/gemm/gemm_loop.cuh"

namespace akimbo::kernels::device {

namespace {

// Grid: x = tiles, those of one row of tiles next to each other so that they share the source in
// the L2 cache (the filter stays there anyhow); y = groups; z = splits.
template <typename Loop, template <typename, typename, int, int> typename FilterLoader, int kPiece>
__global__ __launch_bounds__(Loop::Math::kThreads,
                             Loop::Math::kMinBlocks) void conv_gather_kernel(GatherArguments a) {
  using Math = typename Loop::Math;
  using T = typename Math::Element;
  const GatherPlace place(a, Math::kM, Math::kN);
  const GatherPhase& phase = a.problem.phases[place.phase];
  const int group = static_cast<int>(blockIdx.y);
  const int terms = phase.rows.taps * phase.cols.taps * a.problem.channels;
  const SplitRange slices((terms + Math::kK - 1) / Math::kK, a.splits);

  const SourceLoader<T, typename Loop::TileA, Math::kThreads, kPiece> source(a.problem, phase,
                                                                             group, place.m0);
  const FilterLoader<T, typename Loop::TileB, Math::kThreads, kPiece> filter(a.problem, phase,
                                                                             group, place.n0);
  char* shared = dynamic_shared<char>();
  Math sums;
  Loop::run(sums, source, filter, slices.begin, slices.end, shared);

  float* staged = reinterpret_cast<float*>(shared);
  sums.store(staged, Loop::kSumPitch);
  sync_block();
  if (a.aligned) {
    finish_tile<T, Loop, kVectorSize<T>>(a, place, staged);
  } else {
    finish_tile<T, Loop, 1>(a, place, staged);
  }
}

}  // namespace
}  // namespace akimbo::kernels::device
