#include "inference/top_down.h"

#include "config/parts.h"
#include "engine/autograd/node.h"
#include "engine/core/stage_times.h"
#include "engine/ops/gather.h"
#include "engine/pose/heatmap_decode.h"

namespace akimbo {

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
  const Tensor mirrored = runner_.forward(ops::flip(x, 2));
  const StageTimer timer(Stage::postprocess);
  return average_flipped(maps, mirrored, flip_permutation_,
                         config_.eval.shift_heatmap && !make_codec(config_).udp);
}

Tensor TopDown::keypoints(const Tensor& heatmaps, std::span<const CenterScale> regions) const {
  const StageTimer timer(Stage::postprocess);
  const HeatmapCodec codec = make_codec(config_);
  std::vector<Affine> matrices;
  for (const CenterScale& region : regions) matrices.push_back(codec.heatmap_to_image(region));
  const bool dark = config_.codec.decoding == "dark";
  return decode_heatmaps(heatmaps, matrices,
                         {.quarter_offset = config_.eval.quarter_offset,
                          .dark_kernel = dark ? config_.codec.dark_kernel : 0});
}

}  // namespace akimbo
