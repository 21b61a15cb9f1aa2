#include "datasets/metrics/crowdpose.h"

#include <cmath>
#include <unordered_set>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

// [T, R, categories, areas] to the mean of what stands under "all areas".
double mean_precision(const CocoEvaluation& evaluation) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < evaluation.precision.size(); i += CocoEvaluation::kAreas) {
    sum += evaluation.precision[i];
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : -1;
}

template <typename T, typename Keep>
void filter(std::vector<T>& items, std::vector<double>& keypoints, int num_keypoints, Keep keep) {
  const std::size_t size = 3 * static_cast<std::size_t>(num_keypoints);
  std::vector<T> kept;
  std::vector<double> kept_keypoints;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!keep(items[i])) continue;
    kept.push_back(items[i]);
    const double* from = keypoints.data() + i * size;
    kept_keypoints.insert(kept_keypoints.end(), from, from + size);
  }
  items = std::move(kept);
  keypoints = std::move(kept_keypoints);
}

struct Part {
  double low, high;  // of crowdIndex: low included, high not
};
constexpr std::array<Part, 3> kParts = {{{-INFINITY, 0.2}, {0.2, 0.8}, {0.8, INFINITY}}};

double part_ap(CocoLabels labels, CocoResults results, const CocoEvalOptions& options,
               const Part& part, int& num_images) {
  std::unordered_set<std::int64_t> images;
  for (std::size_t i = 0; i < labels.image_ids.size(); ++i) {
    const double index = labels.crowd_indices[i];
    if (index >= part.low && index < part.high) images.insert(labels.image_ids[i]);
  }
  num_images = static_cast<int>(images.size());
  if (images.empty()) return -1;
  const auto keep = [&](const auto& record) { return images.contains(record.image_id); };
  labels.image_ids.assign(images.begin(), images.end());
  filter(labels.people, labels.keypoints, labels.num_keypoints, keep);
  filter(results.poses, results.keypoints, results.num_keypoints, keep);
  const double mean = mean_precision(evaluate_coco_keypoints(labels, results, options));
  return std::nearbyint(mean * 1e4) / 1e4;
}

}  // namespace

LabelOptions crowdpose_label_options() {
  return {.box_area_share = kCrowdPoseAreaShare, .crowd_indices = true};
}

CrowdPoseEvaluation evaluate_crowdpose(const CocoLabels& labels, const CocoResults& results,
                                       const CocoEvalOptions& options) {
  if (labels.crowd_indices.size() != labels.image_ids.size()) {
    throw_error<ArgumentError>("[crowdpose] labels of {} images with {} crowd indices",
                               labels.image_ids.size(), labels.crowd_indices.size());
  }
  CrowdPoseEvaluation evaluation;
  evaluation.all = evaluate_coco_keypoints(labels, results, options);
  for (std::size_t f = 0; f < 3; ++f) {
    evaluation.figures[f] = evaluation.all.figures[f];
    evaluation.figures[f + 3] = evaluation.all.figures[f + 5];
    evaluation.figures[f + 6] =
        part_ap(labels, results, options, kParts[f], evaluation.num_images[f]);
  }
  return evaluation;
}

}  // namespace akimbo::datasets
