#include "apps/common/heatmap_loss.h"

#include "engine/core/error.h"
#include "engine/ops/loss.h"

namespace akimbo::apps {

Tensor heatmap_loss(const LossConfig& config, const Tensor& pred, const Tensor& target,
                    const Tensor& weight) {
  const Tensor used = config.use_target_weight ? weight : Tensor();
  if (config.type != "joints_ohkm") return ops::joints_mse(pred, target, used);
  if (config.top_k > pred.dim(-1)) {
    throw_error<ConfigError>(
        "[config] loss.top_k is {}, but the skeleton has {} keypoints; lower it", config.top_k,
        pred.dim(-1));
  }
  return ops::joints_ohkm(pred, target, used, config.top_k);
}

}  // namespace akimbo::apps
