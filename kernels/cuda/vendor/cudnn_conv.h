// cuDNN's convolutions for the tasks of conv_own.h, where it takes them.
#pragma once

#include <vector>

#include "kernels/cuda/conv/conv_own.h"

namespace akimbo::kernels::cuda::vendor {

// cuDNN's algorithms for the task, its own guess at the fastest first; empty when it takes it not:
// no library, f64, a residual that is y. With exec.deterministic those only whose sums have a fixed
// order.
[[nodiscard]] std::vector<int> cudnn_algorithms(const Exec& exec, const GatherTask& task);
[[nodiscard]] std::vector<int> cudnn_algorithms(const Exec& exec, const WeightGradTask& task);

// Throws DeviceFailure when cuDNN refuses.
void cudnn_gather(const Exec& exec, const GatherTask& task, int algorithm);
void cudnn_weight_grad(const Exec& exec, const WeightGradTask& task, int algorithm);

}  // namespace akimbo::kernels::cuda::vendor
