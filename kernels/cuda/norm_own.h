// Our own kernels for the passes of kernels/norm.h that a vendor's library has too; norm.cpp
// chooses.
#pragma once

#include "kernels/norm.h"

namespace akimbo::kernels::cuda {

BatchNormForward own_batch_norm_forward;
BatchNormGrad own_batch_norm_grad;

}  // namespace akimbo::kernels::cuda
