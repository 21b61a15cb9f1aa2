// The launchers of the weight gradient's product, one source each, and what they share with
// conv_weight_grad.cu, which chooses among them.
#pragma once

#include "kernels/cuda/conv/conv_weight_grad.h"

namespace akimbo::kernels::device {

struct WeightGradArguments {
  cuda::WeightGradProblem problem;
  float* partial = nullptr;  // [splits, groups, small channels, taps * big channels]
  int tiles_n = 1, splits = 1;
};

}  // namespace akimbo::kernels::device

namespace akimbo::kernels::cuda {

using WeightGradLauncher = void(const Exec&, const device::WeightGradArguments&, WeightGradTile,
                                std::int64_t tiles, bool elements);
WeightGradLauncher launch_weight_grad_f32;
WeightGradLauncher launch_weight_grad_tf32;
WeightGradLauncher launch_weight_grad_bf16;
WeightGradLauncher launch_weight_grad_f16;

}  // namespace akimbo::kernels::cuda
