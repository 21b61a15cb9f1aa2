// ResNet (He et al. 2015) from image to features at 1/32, with the parameter names of torchvision
// and of the pose networks built on it: conv1, bn1, layer1 .. layer4.
#pragma once

#include "engine/nn/layers.h"
#include "engine/nn/module.h"
#include "models/backbones/residual_block.h"

namespace akimbo::models {

struct ResNetOptions {
  int depth = 50;  // 18, 34, 50, 101 or 152
  // As in the published code, caffe always builds bottlenecks, for depths 18 and 34 too, which then
  // are no ResNet-18 and -34 any more.
  ResNetStyle style = ResNetStyle::pytorch;
  int width = 64;  // channels of the stem and of layer 1's planes; 64 as published, less for speed
};

class ResNet final : public nn::Module {
 public:
  // Throws ArgumentError for another depth, or a width outside 1 to 1024.
  explicit ResNet(const ResNetOptions& options);

  // x [N,H,W,3], returns [N,H/32,W/32,C].
  [[nodiscard]] Tensor forward(const Tensor& x);
  // The same in parts: conv1, bn1, ReLU and pooling; then layer 1 to 4.
  [[nodiscard]] Tensor stem(const Tensor& x);
  [[nodiscard]] Tensor layer(int number, const Tensor& x);

  [[nodiscard]] std::int64_t out_channels() const { return out_channels_; }

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::ModuleList<ResidualBlock> layers_[4];
  std::int64_t out_channels_;  // of the last layer added
};

}  // namespace akimbo::models
