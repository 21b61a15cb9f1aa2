// A trained network as one object: pictures and boxes in, people with keypoints and heatmaps out.
// include/akimbo/akimbo.h is its face towards other programs.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/tensor.h"
#include "engine/io/image.h"
#include "engine/pose/affine.h"
#include "engine/pose/skeleton.h"
#include "inference/model.h"

namespace akimbo {

class Estimator {
 public:
  struct Pose {
    std::vector<float> keypoints;  // [K, 3] x_image, y_image, score
    BoxXywh box;                   // as given
    CenterScale region;            // the part of the picture that the network saw
    Tensor heatmaps;               // [h, w, K]
  };

  // The network lies on the device.
  Estimator(Model model, Device device);
  Estimator(Estimator&&) noexcept;
  Estimator& operator=(Estimator&&) noexcept;
  ~Estimator();

  [[nodiscard]] const Skeleton& skeleton() const;
  [[nodiscard]] const Config& config() const;
  // One pose per box, in order. `image` is RGB; boxes are in its pixels. Throws ArgumentError for a
  // box that is not finite or has no area. Not for several threads at once.
  [[nodiscard]] std::vector<Pose> estimate(const Image& image, std::span<const BoxXywh> boxes);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace akimbo
