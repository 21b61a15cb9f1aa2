// What kind of errors predicted keypoints have, and what each kind costs: Ronchi and Perona,
// "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/metrics/coco_files.h"
#include "engine/io/json.h"
#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

// A predicted keypoint is judged by its similarity exp(-d^2 / (2 area (2 sigma)^2)) to labelled
// keypoints, one term of OKS. The labelled place that it is most similar to decides:
//   good       its own, similarity 0.85 or more
//   jitter     its own, 0.5 to 0.85: the right place, not precisely
//   inversion  the mirror keypoint of its own person (left for right), 0.5 or more
//   swap       the same or the mirror keypoint of another person, 0.5 or more
//   miss       none of these places is similar by 0.5
enum class KeypointError { good, jitter, inversion, swap, miss };
inline constexpr std::array<const char*, 5> kKeypointErrorNames = {"good", "jitter", "inversion",
                                                                   "swap", "miss"};

struct ErrorAnalysisOptions {
  double near = 0.5;        // similarity of a place that is meant
  double good = 0.85;       // similarity of a place that is hit
  double match_oks = 0.1;   // least OKS of a pose and its person
  int max_detections = 20;  // poses of an image that are looked at, best first
};

struct ErrorAnalysis {
  using Counts = std::array<std::int64_t, 5>;  // by KeypointError
  Counts counts{};                             // over all keypoints
  std::vector<Counts> per_keypoint;            // [K]

  // A pose takes the person, not yet taken, to whom its OKS is highest, poses best first.
  int num_matched = 0;           // poses with a person, of which the keypoints are judged
  int num_background_poses = 0;  // poses without
  int num_missed_people = 0;     // people, not crowds, with labels and without a pose

  double ap = 0;  // of the poses as they are
  // AP that a kind of error costs: AP with the keypoints of that kind at their labelled places,
  // less `ap`. By KeypointError; 0 for good. The paper moves them as far as the next better kind.
  std::array<double, 5> ap_lost{};
  // AP lost by poses without a person (they are taken away), and by people without a pose (they are
  // given one with a score below all others).
  double ap_lost_background = 0;
  double ap_lost_missed = 0;

  // What became of keypoint k of pose i of the results, at [i K + k]; -1 where it was not judged
  // (not labelled, or the pose has no person). For pictures and galleries.
  std::vector<signed char> kind;
  std::vector<int> person_of;  // of every pose: index into labels.people, or -1
};

// Throws ArgumentError when labels, results and skeleton are of different numbers of keypoints.
[[nodiscard]] ErrorAnalysis analyze_errors(const CocoLabels& labels, const CocoResults& results,
                                           const Skeleton& skeleton,
                                           const ErrorAnalysisOptions& options = {});

// {"ap", "matched_poses", "background_poses", "missed_people", "ap_lost": {..},
//  "keypoints": {"all": {"good": n, ..}, NAME: {..}}}
[[nodiscard]] Json error_analysis_json(const ErrorAnalysis& analysis, const Skeleton& skeleton);

}  // namespace akimbo::datasets
