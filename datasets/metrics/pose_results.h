// From decoded poses to a results file: rescoring, suppression of several answers for one person,
// and the JSON that COCO's tools read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/metrics/coco_files.h"
#include "engine/pose/affine.h"

namespace akimbo::datasets {

struct PredictedPose {
  std::int64_t image_id = 0;
  std::vector<float> keypoints;  // [K, 3] x_image, y_image, score
  CenterScale region;            // the crop it was read from
  double box_score = 1.0;        // of the detector; 1 for annotated boxes
  double score = 0.0;            // of the pose; filled by rescore_and_suppress
};

struct SuppressionOptions {
  double visibility_threshold = 0.2;  // keypoints that score above it make the pose's score
  double oks_threshold = 0.9;
  bool soft = false;          // lower the scores of near poses, keep the best 20 of an image
  bool keep_decayed = false;  // soft: write the lowered scores; the published code does not
};

// Mean score of the keypoints [K, 3] above the threshold (0 if there are none) times box_score.
[[nodiscard]] double pose_score(std::span<const float> keypoints, double box_score,
                                double visibility_threshold);

// Area in px^2 of a crop region, with its padding, rounded as its numbers are.
[[nodiscard]] double region_area(const CenterScale& region);

// Poses of all images rescored and suppressed: images in the order of their first pose, the poses
// of an image best first.
[[nodiscard]] std::vector<PredictedPose> rescore_and_suppress(std::vector<PredictedPose> poses,
                                                              std::span<const double> sigmas,
                                                              const SuppressionOptions& options);

// What evaluate_coco_keypoints takes.
[[nodiscard]] CocoResults to_coco_results(std::span<const PredictedPose> poses);

enum class ResultsLayout {
  lines,    // one pose a line
  indented  // one number a line, as the published code writes
};

// A JSON list with category_id 1, center, image_id, keypoints, scale and score of every pose;
// reading it back gives the same doubles. Throws NumericError, naming the image, for NaN or
// infinity.
[[nodiscard]] std::string coco_results_json(std::span<const PredictedPose> poses,
                                            ResultsLayout layout = ResultsLayout::lines);
// The same into a file, atomically.
void write_coco_results(const std::string& path, std::span<const PredictedPose> poses,
                        ResultsLayout layout = ResultsLayout::lines);

}  // namespace akimbo::datasets
