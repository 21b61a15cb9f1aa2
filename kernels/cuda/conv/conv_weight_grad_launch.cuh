// Launches the weight gradient's product for one kind of arithmetic.
#pragma once

#include "kernels/cuda/conv/conv_weight_grad_kernel.cuh"
#include "kernels/cuda/gemm/gemm_tensor_core.cuh"

namespace akimbo::kernels::cuda {
namespace {

template <typename Math, int kStages, int kPiece = device::kVectorSize<typename Math::Element>>
void launch_weight_tile(const Exec& exec, const device::WeightGradArguments& a,
                        std::int64_t tiles) {
  using Loop = device::GemmLoop<Math, Order::k_strided, Order::k_strided, kStages>;
  device::launch(exec, "conv_weight_grad_kernel",
                 {.grid = {tiles, a.problem.groups, a.splits},
                  .block = {Math::kThreads},
                  .shared_bytes = Loop::kSharedBytes},
                 device::conv_weight_grad_kernel<Loop, kPiece>, a);
}

template <typename T>
void launch_weight_grad_16_bit(const Exec& exec, const device::WeightGradArguments& a,
                               WeightGradTile tile, std::int64_t tiles, bool elements) {
  using device::TensorCoreMath;
  if (elements) {
    return launch_weight_tile<TensorCoreMath<T, 64, 64, 32, 2, 2>, 2, 1>(exec, a, tiles);
  }
  switch (tile) {
    case WeightGradTile::m128n128:
      return launch_weight_tile<TensorCoreMath<T, 128, 128, 32, 2, 2>, 4>(exec, a, tiles);
    case WeightGradTile::m32n128:
      return launch_weight_tile<TensorCoreMath<T, 32, 128, 32, 1, 4>, 4>(exec, a, tiles);
    default: return launch_weight_tile<TensorCoreMath<T, 64, 64, 32, 2, 2>, 4>(exec, a, tiles);
  }
}

}  // namespace
}  // namespace akimbo::kernels::cuda
