// Non-maximum suppression of poses (by OKS) and of boxes (by overlap): of several answers for one
// person, the best is kept. Candidates of equal score are taken in reverse input order, as the
// published codes do for up to 16 candidates (beyond that theirs is unspecified, ours is the same).
#pragma once

#include <span>
#include <vector>

namespace akimbo {

// P predicted poses of one image. keypoints [P, K, 3] (x, y, score) and areas [P] in image pixels.
struct PoseCandidates {
  std::span<const float> keypoints;
  std::span<const double> areas;
  std::span<const double> scores;
  std::span<const double> sigmas;  // [K]
};

// Indices of the poses kept, best first: the best is taken, those whose OKS with it is above
// `threshold` are dropped, and so on.
[[nodiscard]] std::vector<int> oks_nms(const PoseCandidates& poses, double threshold);

struct SoftSuppression {
  std::vector<int> picks;      // indices in the order of picking
  std::vector<double> scores;  // decayed score of each pick
};

struct SoftOksNmsOptions {
  double threshold = 0.9;  // decay constant
  int max_poses = 20;
  bool linear =
      false;  // score (1 - OKS) where OKS >= threshold, instead of score exp(-OKS^2/threshold)
};

// Poses near a better one lose score instead of being dropped.
[[nodiscard]] SoftSuppression soft_oks_nms(const PoseCandidates& poses,
                                           const SoftOksNmsOptions& options);

// Score of a candidate that overlaps a better one by `overlap`.
[[nodiscard]] double decayed_score(double score, double overlap, const SoftOksNmsOptions& options);

// What happens at an overlap of exactly the threshold; the published codes differ.
enum class OverlapRule { keep_equal, drop_equal };

// boxes [B, 5] (x1, y1, x2, y2, score), corners inclusive: a box is x2 - x1 + 1 wide. Indices kept,
// best first. Arithmetic is f32, the threshold is rounded to f32.
[[nodiscard]] std::vector<int> box_nms(std::span<const float> boxes, double threshold,
                                       OverlapRule rule = OverlapRule::keep_equal);

}  // namespace akimbo
