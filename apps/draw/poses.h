// People drawn on their picture: limbs and keypoints in one of several styles, boxes, numbers,
// scores.
#pragma once

#include <array>
#include <optional>
#include <string>
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

// What colours mean.
enum class SkeletonStyle {
  automatic,  // "auto": limbs where the skeleton has colours of its own, else sides
  sides,      // left, right and middle of the body have a colour each
  limbs,      // every limb and keypoint has its own: the skeleton's, else around the colour circle
  people,     // every person has one
  points,     // as limbs, but keypoints only
  lines,      // as limbs, but limbs only
};
// "auto", "sides" and so on; throws ConfigError that lists them.
[[nodiscard]] SkeletonStyle parse_skeleton_style(const std::string& name);

struct PoseStyle {
  SkeletonStyle style = SkeletonStyle::automatic;
  double min_score = 0.2;  // keypoints below it are left out, with their limbs
  bool boxes = true;
  bool scores = true;
  bool ids = false;         // the person's place in the list, from 1
  double radius_px = 0;     // of keypoints; 0: what suits the person's size
  double thickness_px = 0;  // of limbs; 0: what suits the person's size
  Colour left{40, 150, 255}, right{255, 120, 30}, middle{90, 220, 90}, box{250, 230, 60};
};

// `count` colours around the circle, bright, neighbours apart.
[[nodiscard]] std::vector<Colour> colour_circle(std::size_t count);

// A label's visibility flag (0, 1, 2 of COCO) as a score to draw.
[[nodiscard]] double score_of_visibility(int visibility);

// Throws ArgumentError when a pose does not have the skeleton's number of keypoints. Keypoints that
// are not finite are left out. Less sure keypoints are paler; hidden ones are rings.
void draw_poses(Image& image, const std::vector<DrawnPose>& poses, const Skeleton& skeleton,
                const PoseStyle& style = {});

}  // namespace akimbo::draw
