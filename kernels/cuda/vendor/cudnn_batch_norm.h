// cuDNN's batch norm behind kernels/norm.h; batch_norm_rules.h says how the two fit together.
#pragma once

#include "kernels/norm.h"

namespace akimbo::kernels::cuda::vendor {

// Whether the library is there and may take the arguments.
[[nodiscard]] bool cudnn_takes(const BatchNormForwardArgs& args, ConstView y);
[[nodiscard]] bool cudnn_takes(const BatchNormTrainingArgs& args);
[[nodiscard]] bool cudnn_takes(const BatchNormGradArgs& args);

// Throw DeviceFailure when cuDNN refuses.
BatchNormForward cudnn_batch_norm_forward;
BatchNormTraining cudnn_batch_norm_training;
BatchNormGrad cudnn_batch_norm_grad;

}  // namespace akimbo::kernels::cuda::vendor
