// PCK: the percentage of correct keypoints. A labelled keypoint is correct when the prediction is
// no further away than `threshold` times the longer side of the person's annotated box.
#pragma once

#include <vector>

#include "datasets/metrics/coco_files.h"

namespace akimbo::datasets {

struct PckResult {
  double pck = 0.0;                  // right / labelled over all keypoints, 0..1; 0 without labels
  std::vector<double> per_keypoint;  // the same for each; -1 where none is labelled [K]
  int num_labelled = 0;              // keypoints that count
  int num_people = 0;                // people with labelled keypoints, crowds left out
  int num_found = 0;                 // of them, those that some pose stands for
};

// Poses of an image choose in order of falling score: each takes the person, not yet taken, whose
// keypoints are nearest on average. Keypoints of people without a pose are wrong; poses without a
// person do not count. Throws as evaluate_coco_keypoints does.
[[nodiscard]] PckResult evaluate_pck(const CocoLabels& labels, const CocoResults& results,
                                     double threshold = 0.2);

}  // namespace akimbo::datasets
