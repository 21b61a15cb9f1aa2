#include "models/backbones/residual_block.h"

#include <string>

#include "engine/nn/conv_bn.h"

namespace akimbo::models {

ConvBn::ConvBn(const nn::Conv2dShape& shape, std::int64_t stride)
    : conv_(shape, {.stride = stride, .padding = shape.kernel / 2}), bn_(shape.out_channels) {
  register_module("0", conv_);
  register_module("1", bn_);
}

Tensor ConvBn::forward(const Tensor& x, bool relu, const Tensor& residual) {
  return nn::conv_bn(x, conv_, bn_, {.relu = relu, .residual = residual});
}

ResidualBlock::ResidualBlock(const BlockShape& shape) {
  if (shape.bottleneck) {
    const bool caffe = shape.style == ResNetStyle::caffe;
    add_conv(shape.in_channels, shape.planes, 1, caffe ? shape.stride : 1);
    add_conv(shape.planes, shape.planes, 3, caffe ? 1 : shape.stride);
    add_conv(shape.planes, shape.out_channels(), 1, 1);
  } else {
    add_conv(shape.in_channels, shape.planes, 3, shape.stride);
    add_conv(shape.planes, shape.planes, 3, 1);
  }
  if (shape.stride != 1 || shape.in_channels != shape.out_channels()) {
    downsample_ = std::make_unique<ConvBn>(
        nn::Conv2dShape{shape.in_channels, shape.out_channels(), 1}, shape.stride);
    register_module("downsample", *downsample_);
  }
}

void ResidualBlock::add_conv(std::int64_t in_channels, std::int64_t out_channels,
                             std::int64_t kernel, std::int64_t stride) {
  steps_.push_back(std::unique_ptr<Step>(new Step{
      nn::Conv2d({in_channels, out_channels, kernel}, {.stride = stride, .padding = kernel / 2}),
      nn::BatchNorm2d(out_channels)}));
  const std::string number = std::to_string(steps_.size());
  register_module("conv" + number, steps_.back()->conv);
  register_module("bn" + number, steps_.back()->bn);
}

// The last convolution takes the shortcut and the ReLU with it.
Tensor ResidualBlock::forward(const Tensor& x) {
  Tensor y = x;
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
    y = nn::conv_bn(y, steps_[i]->conv, steps_[i]->bn);
  }
  const Tensor shortcut = downsample_ ? downsample_->forward(x, false) : x;
  return nn::conv_bn(y, steps_.back()->conv, steps_.back()->bn, {.residual = shortcut});
}

}  // namespace akimbo::models
