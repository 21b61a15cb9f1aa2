// The weight gradient's product in f16 on tensor cores.
#include "kernels/cuda/conv/conv_weight_grad_launch.cuh"

namespace akimbo::kernels::cuda {

void launch_weight_grad_f16(const Exec& exec, const device::WeightGradArguments& a,
                            WeightGradTile tile, std::int64_t tiles, bool elements) {
  launch_weight_grad_16_bit<Float16>(exec, a, tile, tiles, elements);
}

}  // namespace akimbo::kernels::cuda
