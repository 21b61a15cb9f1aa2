// How batch norm's contract (kernels/norm.h) maps to cuDNN's functions, and where it does not.
// Plain functions without cuDNN's headers, so that they are tested on machines without it. Source:
// cuDNN 9 API reference, cudnn_ops (batch normalisation), and the comments of cudnn_ops_v9.h.
//
// The same on both sides, and passed on as they are:
//   eps                     >= 0 (CUDNN_BN_MIN_EPSILON); cuDNN adds it to the biased variance too
//   momentum                exponentialAverageFactor: the weight of the batch, not of the past
//   mean, invstd            resultSaveMean, resultSaveInvVariance = 1 / sqrt(biased variance + eps)
//   running_var             moved towards the sample variance, that is the unbiased one
// Different:
//   normalising with given mean and invstd: the inference function, which wants a variance:
//                           1 / invstd^2 with an eps of 0
//   ReLU and residual       fused in training where cuDNN does it (best_fusion), a pass over y
//   after
//                           it elsewhere
//   gradient behind a ReLU  cuDNN's fused one needs the bit mask that its forward pass left in a
//                           reserve space, for which the contract has no place: the mask is applied
//                           to grad_y first, as the contract's formulas say
#pragma once

#include <cstdint>

#include "kernels/norm.h"

namespace akimbo::kernels::cuda::vendor {

// [..., C] as the four extents N, H, W, C that cuDNN wants; statistics are over the first three.
[[nodiscard]] Shape batch_norm_extents(const Shape& x);

// Whether cuDNN may take it, as far as the arguments tell. Not taken: f64, sizes beyond its 32-bit
// offsets, y that aliases an input, gradients that treat the statistics as constants, and gradients
// without grad_x.
[[nodiscard]] bool cudnn_may_take(const BatchNormForwardArgs& args, ConstView y);
[[nodiscard]] bool cudnn_may_take(const BatchNormTrainingArgs& args);
[[nodiscard]] bool cudnn_may_take(const BatchNormGradArgs& args);

// CUDNN_BATCHNORM_SPATIAL_PERSISTENT, the mode of its kernels for 16-bit NHWC maps. Not for f32:
// its sums are scaled integers there, and a large input overflows to NaN.
[[nodiscard]] bool is_persistent(DType dtype);

// CUDNN_BATCHNORM_OPS_BN, _BN_ACTIVATION, _BN_ADD_ACTIVATION.
enum class BatchNormFusion { none, relu, residual_relu };
// What cuDNN can do in the training pass: with 16-bit NHWC maps a ReLU, and with a multiple of four
// channels a residual before it. A residual without ReLU is never fused.
[[nodiscard]] BatchNormFusion best_fusion(const BatchNormTrainingArgs& args);

}  // namespace akimbo::kernels::cuda::vendor
