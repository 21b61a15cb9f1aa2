// Top-down pose estimation with HRNet (Sun, Xiao, Liu, Wang, CVPR 2019): the backbone's branch 0
// and a 1x1 convolution to one heatmap per keypoint at a quarter of the input's size. Parameter
// names are flat, as in the published checkpoints: conv1.weight .. stage4.2.fuse_layers.0.3.1.bias,
// final_layer.weight.
#pragma once

#include "models/backbones/hrnet.h"
#include "models/network.h"

namespace akimbo::models {

struct PoseHRNetOptions {
  HRNetOptions backbone;
  std::int64_t num_keypoints = 17;
};

class PoseHRNet final : public Network {
 public:
  explicit PoseHRNet(const PoseHRNetOptions& options);

  // "heatmaps" [N,H/4,W/4,K], linear.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> outputs(const Tensor& x) override;
  // N(0, 0.001^2) for every convolution, biases 0, batch norms the identity, as published; an
  // ImageNet checkpoint is loaded over it.
  void init(std::uint64_t seed) override;

  [[nodiscard]] HRNet& backbone() { return backbone_; }

 private:
  HRNet backbone_;
  nn::Conv2d final_layer_;
};

}  // namespace akimbo::models
