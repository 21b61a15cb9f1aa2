// The keypoints of one kind of labelled person: names, which are mirror images of each other, which
// are joined by limbs, how exactly people place them. Nothing else knows a keypoint by number.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akimbo {

enum class Side { middle, left, right };

using Rgb = std::array<std::uint8_t, 3>;

struct Skeleton {
  std::string name;
  std::vector<std::string> keypoints;           // names, in the order of the data [K]
  std::vector<std::pair<int, int>> flip_pairs;  // (left, right)
  std::vector<std::pair<int, int>> limbs;       // for drawing and part fields
  std::vector<double> sigmas;                   // per-keypoint constants of OKS [K]
  std::vector<float> weights;                   // per-keypoint loss weights [K]
  std::vector<int> upper_body;                  // for the half-body augmentation
  std::vector<int> lower_body;
  std::vector<Rgb> keypoint_colors;  // for drawing [K], or empty
  std::vector<Rgb> limb_colors;      // one for each of limbs, or empty

  [[nodiscard]] int num_keypoints() const { return static_cast<int>(keypoints.size()); }
  // Throws ArgumentError with the nearest known name.
  [[nodiscard]] int index_of(std::string_view keypoint) const;
  // Keypoint that takes the place of keypoint k in the mirrored picture, for every k [K].
  [[nodiscard]] std::vector<int> flip_permutation() const;
  // Side of the body of every keypoint [K]; a limb is left if either end is.
  [[nodiscard]] std::vector<Side> sides() const;
};

// The text of a meta file (docs/formats.md): keypoints and sigmas are required; flip_pairs, limbs,
// upper_body and lower_body name keypoints; weights are 1 when left out; colors are "#rrggbb".
// `where` names the text in messages. Throws FileError that says which entry is wrong and how.
[[nodiscard]] Skeleton parse_skeleton(std::string_view json_text, const std::string& where);

// The same text back, on one line: what a model file stores about its skeleton.
[[nodiscard]] std::string skeleton_json(const Skeleton& skeleton);

}  // namespace akimbo
