// What a COCO keypoint file says about the people of a rendered scene.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "datasets/synth/render.h"
#include "engine/io/json.h"

namespace akimbo::synth {

enum class Visibility : int { outside = 0, hidden = 1, visible = 2 };

struct KeypointLabel {
  float x_px = 0, y_px = 0;  // pixel centres at whole numbers; 0 when outside
  Visibility visibility = Visibility::outside;
  Vec3 camera_mm;  // known wherever the joint is
};

// The visible pixels of one person.
struct Mask {
  int x0 = 0, y0 = 0, width = 0, height = 0;  // the box around them, in pixels
  std::int64_t area = 0;
  std::vector<std::uint8_t> inside;            // [height, width] of the box, 0 or 1
  [[nodiscard]] bool at(int x, int y) const {  // picture coordinates; false outside the box
    x -= x0, y -= y0;
    return x >= 0 && y >= 0 && x < width && y < height &&
           inside[static_cast<std::size_t>(y) * width + x] != 0;
  }
};

struct PersonLabel {
  int person = 0;
  Mask mask;
  std::array<KeypointLabel, kNumKeypoints> keypoints;
  [[nodiscard]] int num_labelled() const;
};

// People in the order of the scene, those without a visible pixel left out. Of people of whom less
// than five keypoints are visible no keypoint is labelled, as in COCO.
[[nodiscard]] std::vector<PersonLabel> label_people(const Scene& scene, const DepthBuffer& depth);

// COCO's "segmentation": polygons around the mask's pixels, or, where the mask has a hole, which
// polygons cannot say, uncompressed run lengths.
[[nodiscard]] Json segmentation_of(const Mask& mask, int image_width, int image_height);

}  // namespace akimbo::synth
