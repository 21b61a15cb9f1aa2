#include "datasets/metrics/error_analysis.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

// Neck, left and right hand; a sigma of 0.1 and an area of 10^4: similarity s at a distance of
// sqrt(-2 ln s) * 20 px.
Skeleton arms() {
  return parse_skeleton(R"({"name": "arms", "keypoints": ["neck", "left", "right"],
      "sigmas": [0.1, 0.1, 0.1], "flip_pairs": [["left", "right"]]})",
                        "arms");
}

double distance_of(double similarity) { return 20 * std::sqrt(-2 * std::log(similarity)); }

class Scene {
 public:
  Scene() {
    labels_.num_keypoints = results_.num_keypoints = 3;
    labels_.image_ids = {1};
    labels_.category_ids = {1};
  }
  // Neck at (x, 0), hands 200 px to its sides.
  void person(double x) {
    labels_.people.push_back({.id = static_cast<std::int64_t>(labels_.people.size()) + 1,
                              .image_id = 1,
                              .area = 1e4,
                              .has_keypoints = true});
    for (const double place : {x, x - 200, x + 200}) {
      labels_.keypoints.insert(labels_.keypoints.end(), {place, 0, 2});
    }
  }
  void pose(double neck, double left, double right, double score = 0.9) {
    results_.poses.push_back({.image_id = 1, .score = score, .area = 1e4});
    for (const double place : {neck, left, right}) {
      results_.keypoints.insert(results_.keypoints.end(), {place, 0, 1});
    }
  }
  [[nodiscard]] ErrorAnalysis analyze() const { return analyze_errors(labels_, results_, arms()); }

  CocoLabels labels_;
  CocoResults results_;
};

using Counts = ErrorAnalysis::Counts;  // good, jitter, inversion, swap, miss

TEST(ErrorAnalysis, EveryKindByHand) {
  Scene scene;
  scene.person(0);
  scene.person(1000);
  scene.pose(0, -200, 200);                        // perfect
  scene.pose(1000 + distance_of(0.7), 1200, 1e5);  // jitter, inversion, miss
  ErrorAnalysis found = scene.analyze();
  EXPECT_EQ(found.counts, (Counts{3, 1, 1, 0, 1}));
  EXPECT_EQ(found.per_keypoint[0], (Counts{1, 1, 0, 0, 0}));
  EXPECT_EQ(found.per_keypoint[1], (Counts{1, 0, 1, 0, 0}));
  EXPECT_EQ(found.per_keypoint[2], (Counts{1, 0, 0, 0, 1}));
  EXPECT_EQ(found.num_matched, 2);
  EXPECT_EQ(found.kind, (std::vector<signed char>{0, 0, 0, 1, 2, 4}));
  EXPECT_EQ(found.person_of, (std::vector<int>{0, 1}));
  // A hand on another person's hand of either side is a swap.
  scene.results_.keypoints[3 * 5] = -200;
  EXPECT_EQ(scene.analyze().counts, (Counts{3, 1, 1, 1, 0}));
  scene.results_.keypoints[3 * 5] = 200;
  EXPECT_EQ(scene.analyze().counts, (Counts{3, 1, 1, 1, 0}));
  // A neck on a hand is a miss: the parts are not alike.
  for (const auto& [k, x] : {std::pair{3, 800}, {4, 800}, {5, 1200}}) {
    scene.results_.keypoints[static_cast<std::size_t>(3 * k)] = x;
  }
  EXPECT_EQ(scene.analyze().per_keypoint[0], (Counts{1, 0, 0, 0, 1}));
}

TEST(ErrorAnalysis, LimitsAreSimilaritiesOfOneHalfAndEightyFive) {
  const auto kind_at = [](double similarity) {
    Scene scene;
    scene.person(0);
    scene.pose(distance_of(similarity), -200, 200);
    return static_cast<int>(scene.analyze().kind[0]);
  };
  EXPECT_EQ(kind_at(0.851), static_cast<int>(KeypointError::good));
  EXPECT_EQ(kind_at(0.849), static_cast<int>(KeypointError::jitter));
  EXPECT_EQ(kind_at(0.501), static_cast<int>(KeypointError::jitter));
  EXPECT_EQ(kind_at(0.499), static_cast<int>(KeypointError::miss));
}

TEST(ErrorAnalysis, CountsPosesWithoutAPersonAndPeopleWithoutAPose) {
  Scene scene;
  scene.person(0);
  scene.person(1000);
  scene.pose(0, -200, 200, 0.5);
  scene.pose(5000, 4800, 5200, 0.9);
  const ErrorAnalysis found = scene.analyze();
  EXPECT_EQ(found.num_background_poses, 1);
  EXPECT_EQ(found.num_missed_people, 1);
  EXPECT_EQ(found.counts, (Counts{3, 0, 0, 0, 0}));
  // One right behind one wrong: precision 1/2 up to recall 1/2.
  EXPECT_NEAR(found.ap, 51 * 0.5 / 101, 1e-12);
  EXPECT_NEAR(found.ap + found.ap_lost_background, 51.0 / 101, 1e-12);
  EXPECT_NEAR(found.ap + found.ap_lost_missed, 2.0 / 3, 1e-12);
}

TEST(ErrorAnalysis, ApLostIsWhatCorrectionGives) {
  Scene scene;
  scene.person(0);
  scene.pose(0, 200, -200);  // hands exchanged: an OKS of a third
  const ErrorAnalysis found = scene.analyze();
  EXPECT_EQ(found.ap, 0);
  EXPECT_NEAR(found.ap_lost[static_cast<std::size_t>(KeypointError::inversion)], 1, 1e-12);
  EXPECT_EQ(found.ap_lost[static_cast<std::size_t>(KeypointError::miss)], 0);
  const Json json = error_analysis_json(found, arms());
  EXPECT_NEAR(json["ap_lost"]["inversion"].get<double>(), 1, 1e-12);
  EXPECT_EQ(json["keypoints"]["left"]["inversion"], 1);
  EXPECT_EQ(json["keypoints"]["all"]["good"], 1);
}

TEST(ErrorAnalysis, CrowdsAndPeopleWithoutLabelsAreLeftOut) {
  Scene scene;
  scene.person(0);
  scene.person(1000);
  scene.labels_.people[0].is_crowd = true;
  for (std::size_t k = 0; k < 3; ++k) scene.labels_.keypoints[3 * (3 + k) + 2] = 0;
  scene.labels_.people[1].has_keypoints = false;
  scene.pose(0, -200, 200);
  const ErrorAnalysis found = scene.analyze();
  EXPECT_EQ(found.num_matched, 0);
  EXPECT_EQ(found.num_missed_people, 0);
  EXPECT_EQ(found.kind, (std::vector<signed char>{-1, -1, -1}));
}

TEST(ErrorAnalysis, SkeletonsMustAgreeAndNothingIsNothing) {
  Scene scene;
  scene.person(0);
  EXPECT_EQ(scene.analyze().num_missed_people, 1);
  scene.labels_.num_keypoints = 4;
  EXPECT_THROW((void)scene.analyze(), ArgumentError);
}

}  // namespace
}  // namespace akimbo::datasets
