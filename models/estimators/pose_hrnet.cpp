#include "models/estimators/pose_hrnet.h"

#include "engine/nn/init.h"

namespace akimbo::models {

PoseHRNet::PoseHRNet(const PoseHRNetOptions& options)
    : backbone_(options.backbone),
      final_layer_({.in_channels = backbone_.out_channels(),
                    .out_channels = options.num_keypoints,
                    .kernel = 1,
                    .bias = true}) {
  register_inline(backbone_);
  register_module("final_layer", final_layer_);
}

std::vector<std::pair<std::string, Tensor>> PoseHRNet::outputs(const Tensor& x) {
  return {{"heatmaps", final_layer_.forward(backbone_.forward(x))}};
}

void PoseHRNet::init(std::uint64_t seed) { nn::init_small_normal(*this, 0.001, seed); }

}  // namespace akimbo::models
