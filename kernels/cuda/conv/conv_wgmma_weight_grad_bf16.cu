// The weight gradient's product on sm_90a in bf16.
#include "kernels/cuda/conv/conv_wgmma_weight_grad.cuh"

namespace akimbo::kernels::cuda {

bool launch_wgmma_weight_grad_bf16(const Exec& exec, const device::WeightGradArguments& a,
                                   WeightGradTile tile, std::int64_t tiles) {
  return launch_wgmma_weight_grad<BFloat16>(exec, Product::bf16, a, tile, tiles);
}

}  // namespace akimbo::kernels::cuda
