// Crops of people through a network, and what it says back into the image.
#pragma once

#include <span>

#include "config/config.h"
#include "engine/core/tensor.h"
#include "engine/pose/affine.h"
#include "engine/pose/skeleton.h"
#include "inference/network_runner.h"
#include "models/network.h"

namespace akimbo {

class TopDown {
 public:
  // Keeps references: both must outlive it. The network lies on the device, in evaluation mode.
  TopDown(models::Network& network, const Config& config, const Skeleton& skeleton, Device device);

  // crops f32 [N, H, W, 3] on any device, normalised; returns f32 [N, h, w, K] on the network's,
  // averaged with the mirrored pass when the config asks for the flip test.
  [[nodiscard]] Tensor heatmaps(const Tensor& crops);
  // [N, K, 3] x_image, y_image, score; one region per sample.
  [[nodiscard]] Tensor keypoints(const Tensor& heatmaps,
                                 std::span<const CenterScale> regions) const;

 private:
  NetworkRunner runner_;
  const Config& config_;
  std::vector<int> flip_permutation_;
};

}  // namespace akimbo
