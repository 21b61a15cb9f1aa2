// The gather product in bf16 on tensor cores.
#include "kernels/cuda/conv/conv_gather_launch.cuh"

namespace akimbo::kernels::cuda {

void launch_gather_bf16(const Exec& exec, const device::GatherArguments& a, GatherTile tile,
                        std::int64_t tiles, bool elements) {
  launch_16_bit<BFloat16>(exec, a, tile, tiles, elements);
}

}  // namespace akimbo::kernels::cuda
