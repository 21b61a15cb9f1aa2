#include "datasets/metrics/pck.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

struct ImagePeople {
  std::vector<int> people;
  std::vector<int> poses;
};

// Distances of the labelled keypoints of one person to a pose, in shares of the box's longer side.
class Distances {
 public:
  Distances(const CocoLabels& labels, int person)
      : labelled_(labels.keypoints.data() +
                  3 * static_cast<std::size_t>(labels.num_keypoints) * person),
        num_keypoints_(labels.num_keypoints) {
    const auto& box = labels.people[person].box_xywh;
    side_ = std::max(box[2], box[3]);
  }

  [[nodiscard]] bool counts(int k) const { return labelled_[3 * k + 2] > 0; }

  [[nodiscard]] double at(int k, const double* pose) const {
    const double distance =
        std::hypot(pose[3 * k] - labelled_[3 * k], pose[3 * k + 1] - labelled_[3 * k + 1]);
    if (side_ > 0) return distance / side_;
    return distance == 0 ? 0.0 : std::numeric_limits<double>::infinity();
  }

  [[nodiscard]] double mean(const double* pose) const {
    double sum = 0.0;
    int count = 0;
    for (int k = 0; k < num_keypoints_; ++k) {
      if (!counts(k)) continue;
      sum += at(k, pose);
      ++count;
    }
    return sum / count;
  }

 private:
  const double* labelled_;
  int num_keypoints_;
  double side_ = 0.0;
};

bool has_labels(const CocoLabels& labels, int person) {
  if (labels.people[person].is_crowd) return false;
  const Distances distances(labels, person);
  for (int k = 0; k < labels.num_keypoints; ++k) {
    if (distances.counts(k)) return true;
  }
  return false;
}

std::unordered_map<std::int64_t, ImagePeople> by_image(const CocoLabels& labels,
                                                       const CocoResults& results) {
  std::unordered_map<std::int64_t, ImagePeople> images;
  for (const std::int64_t id : labels.image_ids) images[id];
  for (std::size_t i = 0; i < labels.people.size(); ++i) {
    const auto person = static_cast<int>(i);
    if (has_labels(labels, person)) images[labels.people[i].image_id].people.push_back(person);
  }
  for (std::size_t i = 0; i < results.poses.size(); ++i) {
    const auto it = images.find(results.poses[i].image_id);
    if (it == images.end()) {
      throw_error<FileError>("[pck] result {} is of image {}, which the annotations do not list",
                             i + 1, results.poses[i].image_id);
    }
    it->second.poses.push_back(static_cast<int>(i));
  }
  for (auto& [id, image] : images) {
    std::stable_sort(image.poses.begin(), image.poses.end(),
                     [&](int a, int b) { return results.poses[a].score > results.poses[b].score; });
  }
  return images;
}

// Pose of every person of the image, -1 where there is none.
std::vector<int> assign(const CocoLabels& labels, const CocoResults& results,
                        const ImagePeople& image) {
  std::vector<int> pose_of(image.people.size(), -1);
  const std::size_t pose_size = 3 * static_cast<std::size_t>(labels.num_keypoints);
  for (const int pose : image.poses) {
    std::ptrdiff_t nearest = -1;
    double nearest_distance = 0.0;
    for (std::size_t p = 0; p < image.people.size(); ++p) {
      if (pose_of[p] >= 0) continue;
      const double distance =
          Distances(labels, image.people[p]).mean(results.keypoints.data() + pose_size * pose);
      if (nearest >= 0 && distance >= nearest_distance) continue;
      nearest = static_cast<std::ptrdiff_t>(p);
      nearest_distance = distance;
    }
    if (nearest < 0) break;
    pose_of[nearest] = pose;
  }
  return pose_of;
}

}  // namespace

PckResult evaluate_pck(const CocoLabels& labels, const CocoResults& results, double threshold) {
  if (!results.poses.empty() && labels.num_keypoints != results.num_keypoints) {
    throw_error<ArgumentError>(
        "[pck] labels of {} keypoints, results of {}; all must be of one skeleton",
        labels.num_keypoints, results.num_keypoints);
  }
  if (!(threshold > 0))
    throw_error<ArgumentError>("[pck] the threshold {} is not above 0", threshold);
  const std::size_t pose_size = 3 * static_cast<std::size_t>(labels.num_keypoints);
  std::vector<int> labelled(labels.num_keypoints, 0), right(labels.num_keypoints, 0);
  PckResult result;
  for (const auto& [id, image] : by_image(labels, results)) {
    const std::vector<int> pose_of = assign(labels, results, image);
    for (std::size_t p = 0; p < image.people.size(); ++p) {
      const Distances distances(labels, image.people[p]);
      ++result.num_people;
      if (pose_of[p] >= 0) ++result.num_found;
      for (int k = 0; k < labels.num_keypoints; ++k) {
        if (!distances.counts(k)) continue;
        ++labelled[k];
        if (pose_of[p] < 0) continue;
        if (distances.at(k, results.keypoints.data() + pose_size * pose_of[p]) <= threshold) {
          ++right[k];
        }
      }
    }
  }
  int num_right = 0;
  for (int k = 0; k < labels.num_keypoints; ++k) {
    result.num_labelled += labelled[k];
    num_right += right[k];
    result.per_keypoint.push_back(labelled[k] > 0 ? static_cast<double>(right[k]) / labelled[k]
                                                  : -1.0);
  }
  if (result.num_labelled > 0) {
    result.pck = static_cast<double>(num_right) / result.num_labelled;
  }
  return result;
}

}  // namespace akimbo::datasets
