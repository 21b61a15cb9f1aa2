#include "engine/pose/nms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "engine/pose/oks.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

const std::vector<double> kSigmas = {.026, .025, .025, .035, .035, .079, .079, .072, .072,
                                     .062, .062, .107, .107, .087, .087, .089, .089};

// Poses of one image, owned.
struct Poses {
  std::vector<float> keypoints;
  std::vector<double> areas, scores;

  void add(const std::vector<float>& pose, double area, double score) {
    keypoints.insert(keypoints.end(), pose.begin(), pose.end());
    areas.push_back(area);
    scores.push_back(score);
  }
  [[nodiscard]] PoseCandidates view() const { return {keypoints, areas, scores, kSigmas}; }
  [[nodiscard]] std::span<const float> pose(std::size_t i) const {
    return std::span<const float>(keypoints).subspan(i * 51, 51);
  }
};

std::vector<float> line_pose(float shift_x) {
  std::vector<float> pose;
  for (int k = 0; k < 17; ++k) {
    pose.insert(pose.end(), {100.0f + 10.0f * k + shift_x, 50.0f + 7.0f * k, 0.9f});
  }
  return pose;
}

Poses pair_of(float shift_x) {
  Poses poses;
  poses.add(line_pose(0), 76800, 0.9);
  poses.add(line_pose(shift_x), 76800, 0.8);
  return poses;
}

TEST(Oks, ShiftedPose) {
  for (const auto& [shift, wanted] :
       {std::pair{10.0f, .927704}, std::pair{12.0f, .899593}, std::pair{20.0f, .769645}}) {
    const Poses poses = pair_of(shift);
    EXPECT_NEAR(oks(poses.pose(0), 76800, poses.pose(1), 76800, kSigmas), wanted, 1e-6);
  }
}

TEST(Oks, VisibilityThresholdLooksAtTheCandidateOnly) {
  std::vector<double> a(51, 0.0), b(51, 0.0);
  b[2] = 0.9;     // keypoint 0 coincides and is seen in b
  b[3] = 1000.0;  // keypoint 1 is far off, unseen in b
  a[5] = 0.9;
  EXPECT_EQ(oks(a, 100, b, 100, kSigmas, {.visibility_threshold = 0.5}), 1.0);
  EXPECT_EQ(oks(a, 100, b, 100, kSigmas, {.visibility_threshold = 0.95}), 0.0);
  EXPECT_NEAR(oks(a, 100, b, 100, kSigmas), 16.0 / 17.0, 1e-12);
  EXPECT_THROW(static_cast<void>(oks(a, 100, std::span(b).first(48), 100, kSigmas)), ArgumentError);
}

TEST(OksNms, DropsAboveTheThresholdOnly) {
  EXPECT_EQ(oks_nms(pair_of(10).view(), 0.9), (std::vector<int>{0}));
  EXPECT_EQ(oks_nms(pair_of(12).view(), 0.9), (std::vector<int>{0, 1}));
  EXPECT_TRUE(oks_nms(Poses().view(), 0.9).empty());
}

TEST(OksNms, EqualScoresComeInReverseOrder) {
  Poses poses;
  for (int i = 0; i < 6; ++i) {
    std::vector<float> pose;
    for (int j = 0; j < 17; ++j) pose.insert(pose.end(), {1000.0f * i + j, 3.0f * j, 0.5f});
    poses.add(pose, 5000, 0.5);
  }
  EXPECT_EQ(oks_nms(poses.view(), 0.9), (std::vector<int>{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(soft_oks_nms(poses.view(), {}).picks, (std::vector<int>{5, 0, 4, 1, 3, 2}));
}

TEST(OksNms, SoftVersionKeepsTwentyAtMost) {
  Poses poses;
  for (int i = 0; i < 25; ++i) poses.add(line_pose(0), 76800, 0.5 + 0.01 * i);
  const SoftSuppression soft = soft_oks_nms(poses.view(), {});
  EXPECT_EQ(soft.picks.size(), 20u);
  EXPECT_EQ(soft.picks[0], 24);
  EXPECT_NEAR(soft.scores[1], 0.73 * std::exp(-1.0 / 0.9), 1e-12);
}

TEST(OksNms, BadInputIsRefused) {
  Poses poses = pair_of(10);
  poses.areas.pop_back();
  EXPECT_THROW(static_cast<void>(oks_nms(poses.view(), 0.9)), ArgumentError);
  poses = pair_of(10);
  poses.scores[1] = std::nan("");
  EXPECT_THROW(static_cast<void>(oks_nms(poses.view(), 0.9)), ArgumentError);
}

TEST(BoxNms, TheRulesDifferAtEquality) {
  const std::vector<float> boxes = {0, 0, 9, 9, 0.9f, 5, 0, 14, 9, 0.8f, 20, 20, 29, 29, 0.7f};
  EXPECT_EQ(box_nms(boxes, 0.2), (std::vector<int>{0, 2}));
  EXPECT_EQ(box_nms(boxes, 1.0 / 3.0), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(box_nms(boxes, 0.34), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(box_nms(boxes, 1.0 / 3.0, OverlapRule::drop_equal), (std::vector<int>{0, 2}));
  EXPECT_THROW(static_cast<void>(box_nms(std::span(boxes).first(6), 0.5)), ArgumentError);
}

// ---- the published code's results ----

void add_golden(Poses& poses, const Json& pose) {
  const std::vector<double> numbers = test_support::flat_numbers(pose["keypoints"]);
  poses.add({numbers.begin(), numbers.end()}, pose["area"], pose["score"]);
}

class NmsGolden : public ::testing::Test {
 protected:
  static Json load(const char* relative) {
    const auto path = test_support::shared_path(relative);
    return path ? io::read_json(*path) : Json();
  }
};

TEST_F(NmsGolden, PoseSets) {
  const Json golden = load("data/golden/topdown/nms.json");
  if (golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  for (const Json& set : golden["sets"]) {
    SCOPED_TRACE(set["name"].get<std::string>());
    Poses poses;
    for (const Json& pose : set["poses"]) add_golden(poses, pose);
    for (std::size_t i = 0; i < poses.areas.size(); ++i) {
      const double wanted = set["oks_of_pose_0"][i];
      EXPECT_NEAR(oks(poses.pose(0), poses.areas[0], poses.pose(i), poses.areas[i], kSigmas),
                  wanted, 1e-8 * wanted)
          << i;
    }
    for (const auto& [threshold, kept] : set["hard"].items()) {
      EXPECT_EQ(oks_nms(poses.view(), std::stod(threshold)), kept.get<std::vector<int>>());
    }
    for (const auto& [threshold, wanted] : set["soft"].items()) {
      const SoftSuppression soft = soft_oks_nms(poses.view(), {.threshold = std::stod(threshold)});
      EXPECT_EQ(soft.picks, wanted["picks"].get<std::vector<int>>());
      for (std::size_t i = 0; i < soft.scores.size(); ++i) {
        const double score = wanted["decayed_scores"][i];
        EXPECT_NEAR(soft.scores[i], score, 1e-7 * score);
      }
    }
  }
}

TEST_F(NmsGolden, PairsAndDecay) {
  const Json golden = load("data/golden/topdown/nms.json");
  if (golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  for (const Json& entry : golden["pairs"]["cases"]) {
    const Poses poses = pair_of(entry["shift_x"].get<float>());
    EXPECT_NEAR(oks(poses.pose(0), 76800, poses.pose(1), 76800, kSigmas),
                entry["oks"].get<double>(), 1e-8);
    EXPECT_EQ(oks_nms(poses.view(), 0.9), entry["hard_0_9"].get<std::vector<int>>());
    const SoftSuppression soft = soft_oks_nms(poses.view(), {.threshold = 0.9});
    for (std::size_t i = 0; i < soft.picks.size(); ++i) {
      EXPECT_EQ(soft.picks[i], entry["soft_0_9"][i][0].get<int>());
      EXPECT_NEAR(soft.scores[i], entry["soft_0_9"][i][1].get<double>(), 1e-8);
    }
  }
  for (const bool linear : {false, true}) {
    const Json& entry = golden[linear ? "rescore_linear" : "rescore_gaussian"];
    const SoftOksNmsOptions options{.threshold = entry["threshold"], .linear = linear};
    for (std::size_t i = 0; i < entry["overlap"].size(); ++i) {
      EXPECT_NEAR(decayed_score(entry["scores"][i], entry["overlap"][i], options),
                  entry["result"][i].get<double>(), 1e-8);
    }
  }
}

TEST_F(NmsGolden, VisibilityThreshold) {
  const Json golden = load("data/golden/topdown/nms.json");
  if (golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  Poses poses;
  for (const Json& pose : golden["sets"][0]["poses"]) add_golden(poses, pose);
  const Json& wanted = golden["oks_with_visibility_threshold"]["oks"];
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(oks(poses.pose(0), poses.areas[0], poses.pose(i), poses.areas[i], kSigmas,
                    {.visibility_threshold = 0.5}),
                wanted[i].get<double>(), 1e-7 * wanted[i].get<double>());
  }
}

TEST_F(NmsGolden, Boxes) {
  const Json golden = load("data/golden/topdown/nms.json");
  if (golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  const Json& entry = golden["box_nms"];
  const auto floats = [](const Json& list) {
    const std::vector<double> numbers = test_support::flat_numbers(list);
    return std::vector<float>(numbers.begin(), numbers.end());
  };
  const std::vector<float> boxes = floats(entry["boxes"]);
  for (const auto& [rule, key] :
       {std::pair{OverlapRule::keep_equal, "script"}, std::pair{OverlapRule::drop_equal, "cpu"}}) {
    for (const auto& [threshold, kept] : entry[key].items()) {
      EXPECT_EQ(box_nms(boxes, std::stod(threshold), rule), kept.get<std::vector<int>>());
    }
    const Json& equal = entry["equal"];
    EXPECT_EQ(box_nms(floats(equal["boxes"]), equal["threshold_is_f32_of_one_third"], rule),
              equal[key].get<std::vector<int>>());
  }
}

TEST_F(NmsGolden, MetricsFile) {
  const Json golden = load("data/metrics/nms.json");
  if (golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  const std::vector<double> numbers = test_support::flat_numbers(golden["boxes"]);
  const std::vector<float> boxes(numbers.begin(), numbers.end());
  for (const auto& [threshold, kept] : golden["nms_keep"].items()) {
    EXPECT_EQ(box_nms(boxes, std::stod(threshold)), kept.get<std::vector<int>>());
  }
  Poses poses;
  std::vector<std::vector<double>> exact;
  for (const Json& pose : golden["poses"]) {
    add_golden(poses, pose);
    exact.push_back(test_support::flat_numbers(pose["keypoints"]));
  }
  for (const auto& [threshold, kept] : golden["oks_nms_keep"].items()) {
    EXPECT_EQ(oks_nms(poses.view(), std::stod(threshold)), kept.get<std::vector<int>>());
  }
  for (const auto& [threshold, kept] : golden["soft_oks_nms_keep"].items()) {
    EXPECT_EQ(soft_oks_nms(poses.view(), {.threshold = std::stod(threshold)}).picks,
              kept.get<std::vector<int>>());
  }
  for (std::size_t i = 1; i < exact.size(); ++i) {
    const double wanted = golden["oks_of_pose0_with_1..11"][i - 1];
    EXPECT_NEAR(oks(exact[0], poses.areas[0], exact[i], poses.areas[i], kSigmas), wanted,
                1e-12 * wanted);
    const double seen = golden["same_with_in_vis_thre_0.2"][i - 1];
    EXPECT_NEAR(oks(exact[0], poses.areas[0], exact[i], poses.areas[i], kSigmas,
                    {.visibility_threshold = 0.2}),
                seen, 1e-12 * seen);
  }
}

}  // namespace
}  // namespace akimbo
