// Simple Baselines for human pose estimation (Xiao, Wu, Wei, ECCV 2018): ResNet, transposed
// convolutions, one heatmap per keypoint at a quarter of the input's size. Parameter names are
// flat, as in the published checkpoints: conv1.weight .. layer4.2.bn3.bias, deconv_layers.0.weight,
// final_layer.weight.
#pragma once

#include <memory>

#include "models/backbones/resnet.h"
#include "models/heads/deconv_head.h"
#include "models/network.h"

namespace akimbo::models {

// Weights of a training without ImageNet weights. The first publication refuses that; framework:
// PyTorch's defaults below the head. small_normal, of HRNet's repository: N(0, 0.001^2) for every
// convolution, the last one's bias at the framework's default.
enum class ScratchInit { framework, small_normal };

struct PoseResNetOptions {
  ResNetOptions backbone;
  DeconvHeadOptions head;
  std::int64_t num_keypoints = 17;
  ScratchInit scratch_init = ScratchInit::framework;
};

class PoseResNet final : public Network {
 public:
  explicit PoseResNet(const PoseResNetOptions& options);

  // "heatmaps" [N,H',W',K], linear; H' = H / 32 2^layers of the head.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> outputs(const Tensor& x) override;
  // Framework defaults for the backbone (an ImageNet checkpoint is loaded over it), N(0, 0.001^2)
  // for the head, as published.
  void init(std::uint64_t seed) override;
  void init_from_scratch(std::uint64_t seed) override;

  [[nodiscard]] ResNet& backbone() { return backbone_; }
  [[nodiscard]] DeconvLayers& deconv_layers() { return deconv_layers_; }

 private:
  ScratchInit scratch_init_;
  ResNet backbone_;
  DeconvLayers deconv_layers_;
  nn::Conv2d final_layer_;
};

}  // namespace akimbo::models
