// Launches the gather product (conv_gather.h) for one kind of arithmetic; each source that includes
// this builds the tiles of one product.
#pragma once

#include "kernels/cuda/conv/conv_gather_kernel.cuh"
#include "kernels/cuda/conv/conv_gather_products.h"
#include "kernels/cuda/gemm/gemm_tensor_core.cuh"

namespace akimbo::kernels::cuda {
namespace {

template <typename Math, Order kFilterOrder, int kStages,
          template <typename, typename, int, int> typename FilterLoader, int kPiece>
void launch_kernel(const Exec& exec, const device::GatherArguments& a, std::int64_t tiles) {
  using Loop = device::GemmLoop<Math, Order::k_contiguous, kFilterOrder, kStages>;
  device::launch(exec, "conv_gather_kernel",
                 {.grid = {tiles, a.problem.groups, a.splits},
                  .block = {Math::kThreads},
                  .shared_bytes = Loop::kSharedBytes},
                 device::conv_gather_kernel<Loop, FilterLoader, kPiece>, a);
}

// Both orders of the filter.
template <typename Math, int kStages, int kPiece = device::kVectorSize<typename Math::Element>>
void launch_tile(const Exec& exec, const device::GatherArguments& a, std::int64_t tiles) {
  if (a.problem.filter_order == Order::k_contiguous) {
    launch_kernel<Math, Order::k_contiguous, kStages, device::FilterRowLoader, kPiece>(exec, a,
                                                                                       tiles);
  } else {
    launch_kernel<Math, Order::k_strided, kStages, device::FilterColumnLoader, kPiece>(exec, a,
                                                                                       tiles);
  }
}

// Element by element, for channels that are no multiple of 16 bytes.
template <typename Math>
void launch_elements(const Exec& exec, const device::GatherArguments& a, std::int64_t tiles) {
  launch_tile<Math, 2, 1>(exec, a, tiles);
}

// The tiles of the 16-bit types. Four warps each; 64 x 64 sums per warp where the block allows, so
// that reading fragments from shared memory stays behind the tensor cores.
template <typename T>
void launch_16_bit(const Exec& exec, const device::GatherArguments& a, GatherTile tile,
                   std::int64_t tiles, bool elements) {
  using device::TensorCoreMath;
  if (elements) return launch_elements<TensorCoreMath<T, 64, 64, 32, 2, 2>>(exec, a, tiles);
  switch (tile) {
    case GatherTile::m256n64:
      return launch_tile<TensorCoreMath<T, 256, 64, 32, 4, 1>, 4>(exec, a, tiles);
    case GatherTile::m128n128:
      return launch_tile<TensorCoreMath<T, 128, 128, 32, 2, 2>, 4>(exec, a, tiles);
    case GatherTile::m128n64:
      return launch_tile<TensorCoreMath<T, 128, 64, 32, 2, 2>, 4>(exec, a, tiles);
    case GatherTile::m128n32:
      return launch_tile<TensorCoreMath<T, 128, 32, 32, 4, 1>, 4>(exec, a, tiles);
    default: return launch_tile<TensorCoreMath<T, 64, 64, 32, 2, 2>, 4>(exec, a, tiles);
  }
}

}  // namespace
}  // namespace akimbo::kernels::cuda
