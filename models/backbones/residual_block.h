// The residual blocks of He et al. (2015), shared by ResNet and HRNet.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/nn/layers.h"
#include "engine/nn/module.h"

namespace akimbo::models {

// Where the stride of a bottleneck is: on its 3x3 (pytorch) or on its first 1x1 (caffe). Tensors
// are the same.
enum class ResNetStyle { pytorch, caffe };

struct BlockShape {
  std::int64_t in_channels = 0;
  std::int64_t planes = 0;
  std::int64_t stride = 1;
  bool bottleneck = false;
  ResNetStyle style = ResNetStyle::pytorch;

  [[nodiscard]] std::int64_t out_channels() const { return bottleneck ? 4 * planes : planes; }
};

// Convolution and batch norm without bias or activation, named "0" and "1".
class ConvBn final : public nn::Module {
 public:
  ConvBn(const nn::Conv2dShape& shape, std::int64_t stride = 1);  // padding kernel / 2
  // relu(bn(conv(x)) + residual), each where asked for.
  [[nodiscard]] Tensor forward(const Tensor& x, bool relu, const Tensor& residual = {});

 private:
  nn::Conv2d conv_;
  nn::BatchNorm2d bn_;
};

// Basic: 3x3(stride), 3x3. Bottleneck: 1x1, 3x3, 1x1 to four times the planes. Names: conv1, bn1,
// conv2, ...; downsample.0 and .1 (1x1 convolution and batch norm) where the shape changes.
class ResidualBlock final : public nn::Module {
 public:
  explicit ResidualBlock(const BlockShape& shape);
  // x [N,H,W,in_channels], returns [N,H/stride,W/stride,out_channels].
  [[nodiscard]] Tensor forward(const Tensor& x);

 private:
  struct Step {
    nn::Conv2d conv;
    nn::BatchNorm2d bn;
  };
  void add_conv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                std::int64_t stride);

  std::vector<std::unique_ptr<Step>> steps_;
  std::unique_ptr<ConvBn> downsample_;
};

}  // namespace akimbo::models
