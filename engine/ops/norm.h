// Batch normalisation, with the residual addition and the ReLU that usually follow it.
#pragma once

#include "engine/core/tensor.h"

namespace akimbo::ops {

struct BatchNormOptions {
  bool training = false;  // normalise by the batch and update the running values; else by those
  double eps = 1e-5;      // added to the variance, inside the square root
  double momentum = 0.1;  // running = (1 - momentum) running + momentum batch
  bool relu = false;      // max(., 0) at the end
  // [P,2,C] from the convolution that made x (conv.h), or undefined. In training the statistics
  // come from them instead of from a pass over x.
  Tensor channel_sums = {};
};

// x [..., C] (any rank from 2), gamma, beta [C], residual of x's shape or undefined; returns
// (x - mean) / sqrt(var + eps) gamma + beta (+ residual) (ReLU), of x's shape.
// In training the mean and the biased variance are the batch's, and running_mean and running_var
// [C] are updated in place (the latter with the unbiased variance); they may be undefined then.
// Throws ArgumentError when shapes or dtypes disagree, or when training with one value per channel.
[[nodiscard]] Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                Tensor& running_mean, Tensor& running_var,
                                const BatchNormOptions& options, const Tensor& residual = {});

}  // namespace akimbo::ops
