// The gather product in plain f32.
#include "kernels/cuda/conv/conv_gather_launch.cuh"
#include "kernels/cuda/gemm/gemm_fma.cuh"

namespace akimbo::kernels::cuda {

void launch_gather_f32(const Exec& exec, const device::GatherArguments& a, GatherTile tile,
                       std::int64_t tiles, bool elements) {
  using device::FmaMath;
  if (elements) return launch_elements<FmaMath<64, 64, 32, 8, 4>>(exec, a, tiles);
  switch (tile) {
    case GatherTile::m128n128: return launch_tile<FmaMath<128, 128, 32, 8, 8>, 3>(exec, a, tiles);
    default: return launch_tile<FmaMath<64, 64, 32, 8, 4>, 3>(exec, a, tiles);
  }
}

}  // namespace akimbo::kernels::cuda
