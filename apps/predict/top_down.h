// Crops of people through a network, and what it says back into the image.
#pragma once

#include <span>

#include "apps/config/config.h"
#include "engine/core/tensor.h"
#include "engine/pose/affine.h"
#include "engine/pose/skeleton.h"
#include "models/network.h"

namespace akimbo::apps {

class TopDown {
 public:
  // Keeps references: all three must outlive it. The network should be in evaluation mode.
  TopDown(models::Network& network, const Config& config, const Skeleton& skeleton);

  // crops [N, H, W, 3], normalised; returns [N, h, w, K], averaged with the mirrored pass when the
  // config asks for the flip test.
  [[nodiscard]] Tensor heatmaps(const Tensor& crops) const;
  // [N, K, 3] x_image, y_image, score; one region per sample.
  [[nodiscard]] Tensor keypoints(const Tensor& heatmaps,
                                 std::span<const CenterScale> regions) const;

 private:
  models::Network& network_;
  const Config& config_;
  std::vector<int> flip_permutation_;
};

// x mirrored along its third axis, [N, H, W, C].
[[nodiscard]] Tensor mirror(const Tensor& x);

}  // namespace akimbo::apps
