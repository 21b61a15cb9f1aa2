// What predict draws: a picture, or black, its heatmaps over it, its people over both.
#pragma once

#include <span>
#include <vector>

#include "apps/draw/poses.h"
#include "apps/predict/results.h"
#include "inference/estimator.h"

namespace akimbo::apps {

struct DrawingOptions {
  draw::PoseStyle style;
  bool heatmaps = false;
  bool black = false;  // instead of the picture
};

// `poses`: what the estimator gave, for the heatmaps; `people`: who is drawn.
[[nodiscard]] Image draw_people(const Image& image, std::span<const Estimator::Pose> poses,
                                std::span<const FoundPerson> people, const Skeleton& skeleton,
                                const DrawingOptions& options);

}  // namespace akimbo::apps
