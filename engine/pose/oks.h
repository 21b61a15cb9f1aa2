// Object keypoint similarity (OKS) of two predicted poses: 1 when they coincide, towards 0 as their
// keypoints part. The similarity to a labelled person is datasets/metrics/coco_keypoints.h.
#pragma once

#include <optional>
#include <span>

namespace akimbo {

struct OksOptions {
  // Only keypoints whose score in the *candidate* is above this count; the published code means
  // both poses and tests one. None: all keypoints count, as in every published configuration.
  std::optional<double> visibility_threshold;
};

// keypoints [K, 3] (x, y, score) in image pixels, areas in px^2 (the mean of both scales the
// distances), sigmas [K]. Differences and their squares are taken in the type of the keypoints, the
// rest in double. 0 when no keypoint counts.
[[nodiscard]] double oks(std::span<const float> keypoints, double area,
                         std::span<const float> candidate, double candidate_area,
                         std::span<const double> sigmas, const OksOptions& options = {});
[[nodiscard]] double oks(std::span<const double> keypoints, double area,
                         std::span<const double> candidate, double candidate_area,
                         std::span<const double> sigmas, const OksOptions& options = {});

}  // namespace akimbo
