#include "datasets/metrics/pck.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

// People of three keypoints with a box of 100 x 50.
CocoLabels labels_of(const std::vector<std::vector<double>>& people) {
  CocoLabels labels;
  labels.num_keypoints = 3;
  labels.image_ids = {1, 2};
  labels.category_ids = {1};
  for (const auto& keypoints : people) {
    CocoLabels::Person person{.id = 1 + static_cast<std::int64_t>(labels.people.size()),
                              .image_id = 1};
    person.box_xywh = {0, 0, 100, 50};
    person.has_keypoints = true;
    labels.people.push_back(person);
    labels.keypoints.insert(labels.keypoints.end(), keypoints.begin(), keypoints.end());
  }
  return labels;
}

void add(CocoResults& results, const std::vector<float>& keypoints, double score,
         std::int64_t image = 1) {
  results.add(image, score, keypoints.data(), 3);
}

TEST(Pck, CountsLabelledKeypointsWithinAFifthOfTheLongerSide) {
  const CocoLabels labels = labels_of({{0, 0, 2, 50, 0, 1, 0, 0, 0}});
  CocoResults results;
  add(results, {20, 0, 1, 50, 21, 1, 500, 500, 1}, 0.9);
  const PckResult result = evaluate_pck(labels, results);
  EXPECT_EQ(result.per_keypoint, (std::vector<double>{1, 0, -1}));
  EXPECT_EQ(result.pck, 0.5);
  EXPECT_EQ(result.num_labelled, 2);
  EXPECT_EQ(evaluate_pck(labels, results, 0.21).pck, 1.0);
  EXPECT_EQ(evaluate_pck(labels, results, 0.1).pck, 0.0);
}

TEST(Pck, PosesTakeTheNearestFreePersonBestFirst) {
  const CocoLabels labels =
      labels_of({{0, 0, 2, 0, 10, 2, 0, 20, 2}, {300, 0, 2, 300, 10, 2, 300, 20, 2}});
  CocoResults results;
  add(results, {0, 0, 1, 0, 10, 1, 0, 20, 1}, 0.5);
  EXPECT_EQ(evaluate_pck(labels, results).pck, 0.5);
  EXPECT_EQ(evaluate_pck(labels, results).num_found, 1);
  add(results, {90, 0, 1, 90, 10, 1, 90, 20, 1}, 0.9);  // takes the first person, wrongly
  EXPECT_EQ(evaluate_pck(labels, results).pck, 0.0);
  results.poses[1].score = 0.1;
  EXPECT_EQ(evaluate_pck(labels, results).pck, 0.5);
  add(results, {300, 0, 1, 300, 10, 1, 300, 20, 1}, 0.3);
  EXPECT_EQ(evaluate_pck(labels, results).pck, 1.0);
}

TEST(Pck, CrowdsAndUnlabelledPeopleDoNotCount) {
  CocoLabels labels = labels_of({{0, 0, 2, 0, 10, 2, 0, 20, 2}, {0, 0, 0, 0, 0, 0, 0, 0, 0}});
  labels.people[0].is_crowd = true;
  const PckResult result = evaluate_pck(labels, {});
  EXPECT_EQ(result.num_people, 0);
  EXPECT_EQ(result.pck, 0.0);
}

TEST(Pck, BadInputIsNamed) {
  const CocoLabels labels = labels_of({{0, 0, 2, 0, 10, 2, 0, 20, 2}});
  CocoResults results;
  add(results, std::vector<float>(9), 0.5, 7);
  EXPECT_THROW(static_cast<void>(evaluate_pck(labels, results)), FileError);
  EXPECT_THROW(static_cast<void>(evaluate_pck(labels, {}, 0.0)), ArgumentError);
  CocoResults other;
  other.add(1, 0.5, std::vector<float>(6).data(), 2);
  EXPECT_THROW(static_cast<void>(evaluate_pck(labels, other)), ArgumentError);
}

}  // namespace
}  // namespace akimbo::datasets
