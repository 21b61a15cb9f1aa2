// The weight gradient's product of f32 operands: plain, and with factors rounded to tf32.
#include "kernels/cuda/conv/conv_weight_grad_launch.cuh"
#include "kernels/cuda/gemm/gemm_fma.cuh"

namespace akimbo::kernels::cuda {

void launch_weight_grad_f32(const Exec& exec, const device::WeightGradArguments& a,
                            WeightGradTile tile, std::int64_t tiles, bool elements) {
  using device::FmaMath;
  if (elements) return launch_weight_tile<FmaMath<64, 64, 32, 8, 4>, 2, 1>(exec, a, tiles);
  if (tile == WeightGradTile::m128n128) {
    return launch_weight_tile<FmaMath<128, 128, 32, 8, 8>, 3>(exec, a, tiles);
  }
  launch_weight_tile<FmaMath<64, 64, 32, 8, 4>, 3>(exec, a, tiles);
}

void launch_weight_grad_tf32(const Exec& exec, const device::WeightGradArguments& a,
                             WeightGradTile tile, std::int64_t tiles, bool elements) {
  using device::TensorCoreMath;
  if (elements) {
    return launch_weight_tile<TensorCoreMath<float, 64, 64, 32, 2, 2>, 2, 1>(exec, a, tiles);
  }
  if (tile == WeightGradTile::m128n128) {
    return launch_weight_tile<TensorCoreMath<float, 128, 128, 32, 2, 2>, 3>(exec, a, tiles);
  }
  launch_weight_tile<TensorCoreMath<float, 64, 64, 32, 2, 2>, 3>(exec, a, tiles);
}

}  // namespace akimbo::kernels::cuda
