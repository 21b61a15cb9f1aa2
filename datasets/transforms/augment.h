// Augmentation of one person for training: scale, rotation and mirroring of the crop. What is drawn
// and what is done with it are apart, so that the latter can be checked against given draws.
#pragma once

#include <span>

#include "datasets/people.h"
#include "engine/core/random.h"

namespace akimbo::datasets {

struct AugmentOptions {
  bool flip = true;
  double scale_factor = 0.3;
  double rotation_deg = 40;
};

// The random numbers of one sample, in the order of the published code.
struct AugmentDraws {
  double scale_normal = 0;     // N(0, 1)
  double rotation_gate = 1;    // U(0, 1); up to 0.6 the crop is turned
  double rotation_normal = 0;  // N(0, 1)
  double flip_gate = 1;        // U(0, 1); up to 0.5 the picture is mirrored
};

// Draws all four always, so that each is a function of the stream's place alone.
[[nodiscard]] AugmentDraws draw_augmentation(RandomStream& random);

// A person ready to be cropped.
struct CropPlan {
  CenterScale region;
  double rotation_deg = 0;
  bool mirrored = false;      // region and joints are those of the mirrored picture
  std::vector<Joint> joints;  // [K], pixels of the (mirrored) picture
};

// The person unchanged.
[[nodiscard]] CropPlan plan_of(const PersonRecord& person);

// Applies the draws: the region's scale times clip(normal * scale_factor + 1, 1 -/+ scale_factor);
// a turn of clip(normal * rotation, -/+ 2 rotation) when its gate says so; mirroring, by which the
// joints of each flip pair change places and unlabelled joints go to (0, 0).
// flip_permutation [K] as Skeleton gives it.
[[nodiscard]] CropPlan augment(const PersonRecord& person, const AugmentDraws& draws,
                               const AugmentOptions& options, int image_width,
                               std::span<const int> flip_permutation);

// Mirrors region and joints in a picture of that width.
void mirror(CropPlan& plan, int image_width, std::span<const int> flip_permutation);

}  // namespace akimbo::datasets
