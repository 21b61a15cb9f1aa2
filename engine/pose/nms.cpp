#include "engine/pose/nms.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"
#include "engine/pose/oks.h"

namespace akimbo {
namespace {

// Stable ascending, then reversed.
template <typename T>
void sort_best_first(std::vector<int>& indices, const std::vector<T>& scores) {
  std::stable_sort(indices.begin(), indices.end(),
                   [&](int a, int b) { return scores[a] < scores[b]; });
  std::reverse(indices.begin(), indices.end());
}

template <typename T>
std::vector<int> best_first(const std::vector<T>& scores) {
  std::vector<int> indices(scores.size());
  std::iota(indices.begin(), indices.end(), 0);
  sort_best_first(indices, scores);
  return indices;
}

void check(const PoseCandidates& poses) {
  const std::size_t num_poses = poses.scores.size();
  const std::size_t pose_size = 3 * poses.sigmas.size();
  if (poses.areas.size() != num_poses || poses.keypoints.size() != num_poses * pose_size) {
    throw_error<ArgumentError>(
        "[oks_nms] {} scores, {} areas and {} keypoint numbers, but {} sigmas need {} numbers a "
        "pose",
        num_poses, poses.areas.size(), poses.keypoints.size(), poses.sigmas.size(), pose_size);
  }
  for (const double score : poses.scores) {
    if (std::isnan(score)) throw_error<ArgumentError>("[oks_nms] a score is NaN");
  }
}

double oks_between(const PoseCandidates& poses, int best, int other) {
  const std::size_t size = 3 * poses.sigmas.size();
  return oks(poses.keypoints.subspan(best * size, size), poses.areas[best],
             poses.keypoints.subspan(other * size, size), poses.areas[other], poses.sigmas);
}

}  // namespace

std::vector<int> oks_nms(const PoseCandidates& poses, double threshold) {
  check(poses);
  const std::vector<double> scores(poses.scores.begin(), poses.scores.end());
  std::vector<int> order = best_first(scores);
  std::vector<int> kept;
  while (!order.empty()) {
    const int best = order.front();
    kept.push_back(best);
    order.erase(order.begin());
    std::erase_if(order, [&](int other) { return oks_between(poses, best, other) > threshold; });
  }
  return kept;
}

double decayed_score(double score, double overlap, const SoftOksNmsOptions& options) {
  if (options.linear) return overlap >= options.threshold ? score * (1.0 - overlap) : score;
  return score * std::exp(-(overlap * overlap) / options.threshold);
}

SoftSuppression soft_oks_nms(const PoseCandidates& poses, const SoftOksNmsOptions& options) {
  check(poses);
  std::vector<double> scores(poses.scores.begin(), poses.scores.end());
  std::vector<int> order = best_first(scores);
  SoftSuppression result;
  while (!order.empty() && static_cast<int>(result.picks.size()) < options.max_poses) {
    const int best = order.front();
    result.picks.push_back(best);
    result.scores.push_back(scores[best]);
    order.erase(order.begin());
    for (const int other : order) {
      scores[other] = decayed_score(scores[other], oks_between(poses, best, other), options);
    }
    sort_best_first(order, scores);
  }
  return result;
}

std::vector<int> box_nms(std::span<const float> boxes, double threshold, OverlapRule rule) {
  if (boxes.size() % 5 != 0) {
    throw_error<ArgumentError>("[box_nms] {} numbers, but a box has 5 (x1, y1, x2, y2, score)",
                               boxes.size());
  }
  const std::size_t num_boxes = boxes.size() / 5;
  std::vector<float> areas(num_boxes), scores(num_boxes);
  for (std::size_t i = 0; i < num_boxes; ++i) {
    const float* box = &boxes[5 * i];
    areas[i] = (box[2] - box[0] + 1.0f) * (box[3] - box[1] + 1.0f);
    scores[i] = box[4];
    if (std::isnan(scores[i])) throw_error<ArgumentError>("[box_nms] score {} is NaN", i);
  }
  const float limit = static_cast<float>(threshold);
  const auto drops = [&](int best, int other) {
    const float* a = &boxes[5 * best];
    const float* b = &boxes[5 * other];
    const float w = std::max(0.0f, std::min(a[2], b[2]) - std::max(a[0], b[0]) + 1.0f);
    const float h = std::max(0.0f, std::min(a[3], b[3]) - std::max(a[1], b[1]) + 1.0f);
    const float shared = w * h;
    const float overlap = shared / (areas[best] + areas[other] - shared);
    return rule == OverlapRule::keep_equal ? !(overlap <= limit) : overlap >= limit;
  };
  std::vector<int> order = best_first(scores);
  std::vector<int> kept;
  while (!order.empty()) {
    const int best = order.front();
    kept.push_back(best);
    order.erase(order.begin());
    std::erase_if(order, [&](int other) { return drops(best, other); });
  }
  return kept;
}

}  // namespace akimbo
