// Augmentation of one person for training: scale, rotation and mirroring of the crop. What is drawn
// and what is done with it are apart, so that the latter can be checked against given draws.
#pragma once

#include <optional>
#include <span>

#include "datasets/people.h"
#include "engine/core/random.h"

namespace akimbo::datasets {

struct AugmentOptions {
  bool flip = true;
  double scale_factor = 0.3;
  double rotation_deg = 40;
  // Share of people with more than half_body_min_keypoints labelled keypoints whose crop shows one
  // half of the body only (HRNet's data pipeline).
  double half_body_probability = 0;
  int half_body_min_keypoints = 8;
};

// What augmentation must know beside the person.
struct AugmentContext {
  int image_width = 0;
  double aspect = 0.75;                   // of the network's input, width / height
  std::span<const int> flip_permutation;  // [K], as Skeleton gives it
  std::span<const int> upper_body;        // keypoints of either half, as Skeleton lists them
  std::span<const int> lower_body;
};

// The random numbers of one sample, in the order of the published code.
struct AugmentDraws {
  double scale_normal = 0;      // N(0, 1)
  double rotation_gate = 1;     // U(0, 1); up to 0.6 the crop is turned
  double rotation_normal = 0;   // N(0, 1)
  double flip_gate = 1;         // U(0, 1); up to 0.5 the picture is mirrored
  double half_body_gate = 1;    // U(0, 1); below the probability one half is shown
  double half_body_normal = 0;  // N(0, 1); below 0.5 the upper half is preferred
};

// Draws all of them always, so that each is a function of the stream's place alone.
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

// The region around the labelled keypoints of one half of the body, grown to the aspect and by a
// half; absent when there are fewer than two to show. As published: the upper half if
// normal < 0.5 and more than two of its keypoints are labelled, else the lower if more than two of
// its own are, else the upper. (A normal draw below 0.5: the upper half in 69 % of the cases.)
[[nodiscard]] std::optional<CenterScale> half_body_region(std::span<const Joint> joints,
                                                          double normal,
                                                          const AugmentContext& context);

// Applies the draws: half a body where the options ask for it; the region's scale times clip(normal
// * scale_factor + 1, 1 -/+ scale_factor); a turn of clip(normal * rotation, -/+ 2 rotation) when
// its gate says so; mirroring, by which the joints of each flip pair change places and unlabelled
// joints go to (0, 0).
[[nodiscard]] CropPlan augment(const PersonRecord& person, const AugmentDraws& draws,
                               const AugmentOptions& options, const AugmentContext& context);

// Mirrors region and joints in a picture of that width.
void mirror(CropPlan& plan, int image_width, std::span<const int> flip_permutation);

}  // namespace akimbo::datasets
