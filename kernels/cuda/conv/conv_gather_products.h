// The launchers of the gather product, one source each (conv_gather_<product>.cu), and what they
// share with conv_gather.cu, which chooses among them.
#pragma once

#include "kernels/cuda/conv/conv_gather.h"

namespace akimbo::kernels::device {

struct GatherArguments {
  cuda::GatherProblem problem;
  cuda::GatherResult result;
  float* partial = nullptr;    // [splits, numel of y], f32 sums, when splits > 1
  float* tile_sums = nullptr;  // [tiles along m, 2, channels of y]: sums and sums of squares
  int tiles_n = 1, splits = 1;
  bool aligned = false;  // rows of y and residual allow 16-byte accesses
};

}  // namespace akimbo::kernels::device

namespace akimbo::kernels::cuda {

// `elements`: the operands are not aligned to 16 bytes; the tile is then m64n64 whatever is said.
using GatherLauncher = void(const Exec&, const device::GatherArguments&, GatherTile,
                            std::int64_t tiles, bool elements);
GatherLauncher launch_gather_f32;
GatherLauncher launch_gather_tf32;
GatherLauncher launch_gather_bf16;
GatherLauncher launch_gather_f16;

}  // namespace akimbo::kernels::cuda
