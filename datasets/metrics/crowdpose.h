// The CrowdPose evaluator: COCO's, with the area of a person taken as a share of the box, no
// figures by area, and AP on easy, medium and hard images by how crowded they are.
#pragma once

#include <array>

#include "datasets/metrics/coco_keypoints.h"

namespace akimbo::datasets {

// The area that the evaluator, and the reader, take for a person: this share of the box.
inline constexpr double kCrowdPoseAreaShare = 0.53;

inline constexpr std::array<const char*, 9> kCrowdPoseFigureNames = {
    "AP", "Ap .5", "AP .75", "AR", "AR .5", "AR .75", "AP (easy)", "AP (medium)", "AP (hard)"};

struct CrowdPoseEvaluation {
  std::array<double, 9> figures{};  // in the order of kCrowdPoseFigureNames; -1: nothing labelled
  std::array<int, 3> num_images{};  // easy, medium, hard
  CocoEvaluation all;
};

// How labels of CrowdPose are to be read.
[[nodiscard]] LabelOptions crowdpose_label_options();

// Labels read with crowdpose_label_options. Easy images have a crowdIndex below 0.2, hard ones of
// 0.8 or more (the evaluator's limits; the paper's are others). AP of a part is the mean over all
// thresholds and recalls rounded to four decimals, as the tool prints it; -1 for an empty part.
// Throws as evaluate_coco_keypoints does, and ArgumentError without crowd indices.
[[nodiscard]] CrowdPoseEvaluation evaluate_crowdpose(const CocoLabels& labels,
                                                     const CocoResults& results,
                                                     const CocoEvalOptions& options);

}  // namespace akimbo::datasets
