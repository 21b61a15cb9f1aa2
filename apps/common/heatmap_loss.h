// The training loss that a config names.
#pragma once

#include "config/config.h"
#include "engine/core/tensor.h"

namespace akimbo::apps {

// One element. pred, target [N,H,W,K]; weight [N,K], left out of account where the config says so.
// Throws ConfigError when loss.top_k is more than the keypoints.
[[nodiscard]] Tensor heatmap_loss(const LossConfig& config, const Tensor& pred,
                                  const Tensor& target, const Tensor& weight);

}  // namespace akimbo::apps
