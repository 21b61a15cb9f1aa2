#include "apps/predict/top_down.h"

#include "engine/autograd/node.h"
#include "engine/ops/gather.h"
#include "engine/pose/heatmap_decode.h"

namespace akimbo::apps {

TopDown::TopDown(models::Network& network, const Config& config, const Skeleton& skeleton,
                 Device device)
    : runner_(network, config.eval, device),
      config_(config),
      flip_permutation_(skeleton.flip_permutation()) {}

Tensor TopDown::heatmaps(const Tensor& crops) {
  const autograd::NoGrad no_grad;
  const Tensor x = crops.to(runner_.device());
  const Tensor maps = runner_.forward(x);
  if (!config_.eval.flip_test) return maps;
  return average_flipped(maps, runner_.forward(ops::flip(x, 2)), flip_permutation_,
                         config_.eval.shift_heatmap);
}

Tensor TopDown::keypoints(const Tensor& heatmaps, std::span<const CenterScale> regions) const {
  const Size2 size{static_cast<int>(heatmaps.dim(2)), static_cast<int>(heatmaps.dim(1))};
  std::vector<Affine> matrices;
  for (const CenterScale& region : regions) matrices.push_back(heatmap_to_image(region, size));
  return decode_heatmaps(heatmaps, matrices, {.quarter_offset = config_.eval.quarter_offset});
}

}  // namespace akimbo::apps
