#include "apps/predict/top_down.h"

#include <algorithm>

#include "engine/autograd/node.h"
#include "engine/pose/heatmap_decode.h"

namespace akimbo::apps {

TopDown::TopDown(models::Network& network, const Config& config, const Skeleton& skeleton)
    : network_(network), config_(config), flip_permutation_(skeleton.flip_permutation()) {}

Tensor TopDown::heatmaps(const Tensor& crops) const {
  const autograd::NoGrad no_grad;
  const Tensor maps = network_.forward(crops);
  if (!config_.eval.flip_test) return maps;
  return average_flipped(maps, network_.forward(mirror(crops)), flip_permutation_,
                         config_.eval.shift_heatmap);
}

Tensor TopDown::keypoints(const Tensor& heatmaps, std::span<const CenterScale> regions) const {
  const Size2 size{static_cast<int>(heatmaps.dim(2)), static_cast<int>(heatmaps.dim(1))};
  std::vector<Affine> matrices;
  for (const CenterScale& region : regions) matrices.push_back(heatmap_to_image(region, size));
  return decode_heatmaps(heatmaps, matrices, {.quarter_offset = config_.eval.quarter_offset});
}

Tensor mirror(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const std::int64_t rows = x.dim(0) * x.dim(1), width = x.dim(2), channels = x.dim(3);
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = from + i * width * channels;
    for (std::int64_t j = width - 1; j >= 0; --j) {
      to = std::copy_n(row + j * channels, channels, to);
    }
  }
  return y;
}

}  // namespace akimbo::apps
