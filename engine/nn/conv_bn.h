// The block of most backbones: convolution, batch norm, perhaps a residual, perhaps ReLU. Models
// say it once; training and inference run it differently.
#pragma once

#include "engine/nn/layers.h"

namespace akimbo::nn {

struct ConvBnOptions {
  bool relu = true;
  Tensor residual = {};  // added before the ReLU; shape of the result
};

// relu(bn(conv(x)) + residual). Where no gradient is wanted and `bn` is in evaluation mode, this is
// one fused convolution with the batch norm folded into a scale and a shift per channel.
[[nodiscard]] Tensor conv_bn(const Tensor& x, Conv2d& conv, BatchNorm2d& bn,
                             const ConvBnOptions& options = {});
[[nodiscard]] Tensor conv_bn(const Tensor& x, ConvTranspose2d& conv, BatchNorm2d& bn,
                             const ConvBnOptions& options = {});

}  // namespace akimbo::nn
