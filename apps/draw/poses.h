// People drawn on their picture: limbs in the colours of the two sides, keypoints, boxes, scores.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "apps/draw/canvas.h"
#include "engine/pose/skeleton.h"

namespace akimbo::draw {

struct DrawnKeypoint {
  double x = 0, y = 0;  // picture
  double score = 0;     // of a prediction, 0 to 1; of a label: 1 visible, 0.5 hidden, 0 not there
};

struct DrawnPose {
  std::vector<DrawnKeypoint> keypoints;  // [K] of the skeleton
  std::optional<std::array<double, 4>> box_xywh;
  std::optional<double> score;
};

struct PoseStyle {
  double min_score = 0.2;  // keypoints below it are left out, with their limbs
  bool boxes = true;
  bool scores = true;
  double thickness = 1;  // times what suits the person's size
  Colour left{40, 150, 255}, right{255, 120, 30}, middle{90, 220, 90}, box{250, 230, 60};
};

// A label's visibility flag (0, 1, 2 of COCO) as a score to draw.
[[nodiscard]] double score_of_visibility(int visibility);

// Throws ArgumentError when a pose does not have the skeleton's number of keypoints. Keypoints that
// are not finite are left out. Less sure keypoints are paler; hidden ones are rings.
void draw_poses(Image& image, const std::vector<DrawnPose>& poses, const Skeleton& skeleton,
                const PoseStyle& style = {});

}  // namespace akimbo::draw
