// A trained network as one object: pictures and boxes in, people with keypoints out.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/tensor.h"
#include "engine/io/image.h"
#include "engine/pose/affine.h"
#include "engine/pose/skeleton.h"

namespace akimbo {

class PoseEstimator {
 public:
  struct Pose {
    std::vector<float> keypoints;  // [K, 3] x_image, y_image, score
    BoxXywh box;                   // as given
    CenterScale region;            // the part of the picture that the network saw
    Tensor heatmaps;               // [h, w, K]
  };

  // A model file as `akimbo train` writes it. Throws FileError when it is damaged or none.
  [[nodiscard]] static PoseEstimator load(const std::filesystem::path& path, Device device = kCpu);

  PoseEstimator(PoseEstimator&&) noexcept;
  PoseEstimator& operator=(PoseEstimator&&) noexcept;
  ~PoseEstimator();

  [[nodiscard]] const Skeleton& skeleton() const;
  // One pose per box, in order. `image` is RGB; boxes are in its pixels. Throws ArgumentError for a
  // box that is not finite or has no area.
  [[nodiscard]] std::vector<Pose> estimate(const Image& image,
                                           std::span<const BoxXywh> boxes) const;

  struct Parts;  // what it is made of; the program builds one from its options
  explicit PoseEstimator(std::unique_ptr<Parts> parts);

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace akimbo
