// The COCO keypoint evaluator: average precision and recall of predicted poses at ten OKS
// thresholds, figure for figure what the official tool (pycocotools) prints for the same files.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/metrics/coco_files.h"

namespace akimbo::datasets {

struct CocoEvalOptions {
  std::vector<double> sigmas;  // one per keypoint of the skeleton
  int max_detections = 20;     // per image, best first
};

inline constexpr std::array<const char*, 10> kCocoFigureNames = {
    "AP", "Ap .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)"};

struct CocoEvaluation {
  static constexpr int kThresholds = 10;  // OKS .50, .55, .. .95
  static constexpr int kRecalls = 101;    // recall 0, .01, .. 1
  static constexpr int kAreas = 3;        // all, medium [32^2, 96^2], large [96^2, 1e10] px^2

  // In the order of kCocoFigureNames; -1 where nothing was labelled.
  std::array<double, 10> figures{};
  int num_categories = 0;
  // [T, R, categories, A] and [T, categories, A]; -1 where a category has no labelled person.
  std::vector<double> precision;
  std::vector<double> recall;

  [[nodiscard]] double ap() const { return figures[0]; }
};

// Results may be empty. Throws ArgumentError when the keypoint counts of labels, results and sigmas
// contradict each other, FileError when a result names an image that the labels do not have.
// Runs on all threads; the figures do not depend on their number.
[[nodiscard]] CocoEvaluation evaluate_coco_keypoints(const CocoLabels& labels,
                                                     const CocoResults& results,
                                                     const CocoEvalOptions& options);

// Both files read, checked and evaluated.
[[nodiscard]] CocoEvaluation evaluate_coco_files(const std::string& results_path,
                                                 const std::string& annotations_path,
                                                 const CocoEvalOptions& options);

// The ten lines as the official tool prints them.
[[nodiscard]] std::string coco_summary(const CocoEvaluation& evaluation, int max_detections = 20);

}  // namespace akimbo::datasets
