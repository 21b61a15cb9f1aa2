// The gather product of f32 operands on tensor cores, factors rounded to tf32.
#include "kernels/cuda/conv/conv_gather_launch.cuh"

namespace akimbo::kernels::cuda {

void launch_gather_tf32(const Exec& exec, const device::GatherArguments& a, GatherTile tile,
                        std::int64_t tiles, bool elements) {
  using device::TensorCoreMath;
  if (elements) return launch_elements<TensorCoreMath<float, 64, 64, 32, 2, 2>>(exec, a, tiles);
  switch (tile) {
    case GatherTile::m128n128:
      return launch_tile<TensorCoreMath<float, 128, 128, 32, 2, 2>, 3>(exec, a, tiles);
    case GatherTile::m128n64:
      return launch_tile<TensorCoreMath<float, 128, 64, 32, 2, 2>, 3>(exec, a, tiles);
    default: return launch_tile<TensorCoreMath<float, 64, 64, 32, 2, 2>, 3>(exec, a, tiles);
  }
}

}  // namespace akimbo::kernels::cuda
