// PCKh of MPII Human Pose: the percentage of keypoints within a share of the head's size, figure
// for figure what the evaluation of Simple Baselines and HRNet prints.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/people.h"

namespace akimbo::datasets {

// What poses of MPII are compared with, person by person in the order of the annotations.
struct MpiiGroundTruth {
  static constexpr int kJoints = 16;

  std::string where;
  int num_people = 0;
  std::vector<double> positions;   // [N, 16, 2] px, counted from 1
  std::vector<char> labelled;      // [N, 16]
  std::vector<double> head_sizes;  // [N] px: 0.6 of the diagonal of the head's box
};

// gt_valid.mat: dataset_joints, jnt_missing, pos_gt_src, headboxes_src. Throws FileError for files
// that lack one of them, of shapes that contradict each other, or with numbers that are not finite.
[[nodiscard]] MpiiGroundTruth read_mpii_ground_truth(const std::filesystem::path& path);

// The labels of an annotation file in place of a .mat, which has the head boxes that the JSON files
// lack: the head's size is the distance from upper neck to head top. People without both have no
// size and do not count. Throws ArgumentError unless there are 16 keypoints.
[[nodiscard]] MpiiGroundTruth mpii_ground_truth_of(const PersonSet& set);

struct PckhResult {
  static constexpr int kShares = 51;          // 0, .01, .. .50 of the head's size
  static constexpr int kTenth = 10;           // the share .10
  static constexpr int kPublishedTenth = 11;  // .11, which the published code prints as "@0.1"

  // Percent of labelled joints within a share, both ends included; -1 where none is labelled.
  std::array<double, MpiiGroundTruth::kJoints> at_half{};
  std::array<std::array<double, kShares>, MpiiGroundTruth::kJoints> at_share{};
  std::array<int, MpiiGroundTruth::kJoints> num_labelled{};

  // The columns of the published tables: head top, then means of left and right, then the mean over
  // all labelled joints but pelvis and thorax. `share` is an index of at_share, or -1 for at_half.
  [[nodiscard]] std::array<double, 8> row(int share) const;
  static constexpr std::array<const char*, 8> kColumns = {"Head", "Shoulder", "Elbow", "Wrist",
                                                          "Hip",  "Knee",     "Ankle", "Mean"};
};

// predictions [N, 16, 2] px, counted from 0. Throws ArgumentError for another number of people.
[[nodiscard]] PckhResult evaluate_pckh(const MpiiGroundTruth& truth,
                                       const std::vector<double>& predictions);

// pred.mat as the published code writes it: `preds` [N, 16, 2], counted from 1.
void write_mpii_predictions(const std::filesystem::path& path,
                            const std::vector<double>& predictions);
// Back to [N, 16, 2] counted from 0.
[[nodiscard]] std::vector<double> read_mpii_predictions(const std::filesystem::path& path);

}  // namespace akimbo::datasets
