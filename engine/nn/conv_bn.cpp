#include "engine/nn/conv_bn.h"

#include "engine/autograd/node.h"

namespace akimbo::nn {
namespace {

template <typename Conv>
Tensor run(const Tensor& x, Conv& conv, BatchNorm2d& bn, const ConvBnOptions& options) {
  const bool wants_gradient =
      autograd::any_needs_grad({x, conv.weight, conv.bias, bn.weight, bn.bias, options.residual});
  if (bn.is_training() || wants_gradient) {
    Tensor sums;
    const Tensor y = conv.forward(x, bn.is_training() ? &sums : nullptr);
    return bn.forward(y, options.relu, options.residual, sums);
  }
  const BatchNorm2d::Folded& folded = bn.folded(conv.bias);
  return conv.inference(x, {.scale = folded.scale,
                            .shift = folded.shift,
                            .residual = options.residual,
                            .relu = options.relu});
}

}  // namespace

Tensor conv_bn(const Tensor& x, Conv2d& conv, BatchNorm2d& bn, const ConvBnOptions& options) {
  return run(x, conv, bn, options);
}

Tensor conv_bn(const Tensor& x, ConvTranspose2d& conv, BatchNorm2d& bn,
               const ConvBnOptions& options) {
  return run(x, conv, bn, options);
}

}  // namespace akimbo::nn
