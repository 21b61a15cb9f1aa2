// Synthetic COCO keypoint data: pictures of articulated people, of whom everything is known.
//
//   DIR/images/{train,val}/000000000001.jpg ...
//   DIR/annotations/person_keypoints_{train,val}.json
//
// Beside COCO's own keys an annotation holds `keypoints_3d` (17 points [x, y, z] in millimetres in
// the camera's frame: x right, y down, z forward) and an image `camera` ({"f": [fx, fy],
// "c": [cx, cy]} in pixels, pixel centres at whole numbers).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "datasets/synth/labels.h"
#include "datasets/synth/render.h"
#include "datasets/synth/scene.h"

namespace akimbo::synth {

struct SynthOptions {
  int num_images = 1000;  // training and validation together
  int num_val = -1;       // the last of them; -1: a tenth
  std::uint64_t seed = 0;
  SceneOptions scene;   // size, and the most people in a picture
  int num_threads = 0;  // 0: one per core. Nothing but the speed depends on it
  // Called after each picture, from one thread at a time; false ends the work early.
  std::function<bool(int num_done)> on_progress;
};

struct SynthCounts {
  int num_images = 0, num_people = 0;
  bool complete =
      true;  // false when on_progress ended it; the annotation files are not written then
};

// One picture and its labels in COCO's terms; a function of (options.seed, options.scene, index).
struct SynthPicture {
  Scene scene;
  Rendering rendering;
  std::vector<PersonLabel> people;
};
[[nodiscard]] SynthPicture make_picture(const SynthOptions& options, int index);

// The JPEG of a picture; its quality varies from picture to picture.
[[nodiscard]] std::string encode_picture(const SynthOptions& options, int index,
                                         const Image& image);

// Writes the data set. Throws ArgumentError for options that make no sense and FileError when the
// disk does not take it.
SynthCounts write_synthetic_data(const std::filesystem::path& dir, const SynthOptions& options);

}  // namespace akimbo::synth
