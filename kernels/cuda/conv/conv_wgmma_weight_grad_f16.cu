// The weight gradient's product on sm_90a in f16.
#include "kernels/cuda/conv/conv_wgmma_weight_grad.cuh"

namespace akimbo::kernels::cuda {

bool launch_wgmma_weight_grad_f16(const Exec& exec, const device::WeightGradArguments& a,
                                  WeightGradTile tile, std::int64_t tiles) {
  return launch_wgmma_weight_grad<Float16>(exec, Product::f16, a, tile, tiles);
}

}  // namespace akimbo::kernels::cuda
