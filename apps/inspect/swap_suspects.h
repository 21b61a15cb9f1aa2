// Labelled people whose left and right may be exchanged.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::apps {

// Two signs, either of which makes a person suspect:
// - a pair of limbs is far longer than it would be with one end's sides exchanged (a left forearm
//   that runs to the right elbow), and by a good part of the person's size;
// - eyes, ears, shoulders and hips, where wide apart, face opposite ways.
// Acrobats look so too; about one person in fifty of a good set of athletes does.
class SwapDetector {
 public:
  // Partners are told by their names: "left_knee" and "right_knee". `limbs`: pairs of keypoints
  // counted from 1, as the "skeleton" of a COCO category has them; null or empty: the usual ones by
  // name.
  SwapDetector(const std::vector<std::string>& names, const Json* limbs);

  // keypoints [K, 3] x, y, visibility; size_px: the root of the person's area.
  [[nodiscard]] bool is_suspect(const std::vector<double>& keypoints, double size_px) const;

 private:
  struct LimbPair {
    int left_a, left_b, right_a, right_b;
  };
  void add_limb(int a, int b);
  [[nodiscard]] bool has_crossed_limbs(const std::vector<double>& keypoints, double size_px) const;
  [[nodiscard]] bool faces_two_ways(const std::vector<double>& keypoints, double size_px) const;

  std::vector<int> partner_;                    // [K]; -1: none
  std::vector<bool> is_left_;                   // [K]
  std::vector<LimbPair> limbs_;                 // that have a twin on the other side
  std::vector<std::pair<int, int>> orienting_;  // (left, right) eyes, ears, shoulders, hips
};

}  // namespace akimbo::apps
