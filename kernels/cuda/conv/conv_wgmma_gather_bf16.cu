// The gather product on sm_90a in bf16.
#include "kernels/cuda/conv/conv_wgmma_gather.cuh"

namespace akimbo::kernels::cuda {

bool launch_wgmma_gather_bf16(const Exec& exec, const device::GatherArguments& a, GatherTile tile,
                              std::int64_t tiles) {
  return launch_wgmma_gather<BFloat16>(exec, Product::bf16, a, tile, tiles);
}

}  // namespace akimbo::kernels::cuda
