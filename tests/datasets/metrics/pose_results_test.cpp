#include "datasets/metrics/pose_results.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "datasets/meta.h"
#include "datasets/metrics/coco_keypoints.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::datasets {
namespace {

const std::vector<double>& sigmas() {
  static const std::vector<double> values = skeleton_by_name("coco").sigmas;
  return values;
}

PredictedPose pose_at(std::int64_t image, float x, float keypoint_score) {
  PredictedPose pose{.image_id = image, .region = {{60, 61}, 1.2, 1.6}};
  for (int k = 0; k < 17; ++k) {
    pose.keypoints.insert(pose.keypoints.end(), {x + 10.0f * k, 7.0f * k, keypoint_score});
  }
  pose.region.round();
  return pose;
}

TEST(PoseResults, ScoreIsTheMeanOfWhatIsVisibleTimesTheBox) {
  std::vector<float> keypoints;
  const auto add = [&](int count, float score) {
    for (int i = 0; i < count; ++i) keypoints.insert(keypoints.end(), {0.0f, 0.0f, score});
  };
  add(10, 0.9f);
  add(5, 0.3f);
  add(2, 0.1f);
  EXPECT_NEAR(pose_score(keypoints, 0.8, 0.2), 0.56, 1e-7);
  keypoints.clear();
  add(17, 0.1f);
  EXPECT_EQ(pose_score(keypoints, 0.8, 0.2), 0.0);
}

TEST(PoseResults, NearPosesOfOneImageAreDroppedImagesKeepTheirOrder) {
  std::vector<PredictedPose> poses = {pose_at(9, 0, 0.5f), pose_at(3, 0, 0.6f), pose_at(9, 1, 0.7f),
                                      pose_at(9, 900, 0.8f)};
  const auto kept = rescore_and_suppress(poses, sigmas(), {});
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].keypoints[0], 900.0f);
  EXPECT_EQ(kept[1].keypoints[0], 1.0f);
  EXPECT_EQ(kept[2].image_id, 3);
  const auto soft = rescore_and_suppress(poses, sigmas(), {.soft = true, .keep_decayed = true});
  ASSERT_EQ(soft.size(), 4u);
  EXPECT_LT(soft[2].score, 0.2);  // 0.5 before
  poses[0].keypoints.resize(48);
  EXPECT_THROW(static_cast<void>(rescore_and_suppress(poses, sigmas(), {})), ArgumentError);
  EXPECT_TRUE(rescore_and_suppress({}, sigmas(), {}).empty());
}

TEST(PoseResults, FileReadsBackAsTheSameDoubles) {
  std::vector<PredictedPose> poses = {pose_at(1, 0.1f, 1.0f / 3.0f), pose_at(2, 1e-20f, 0.25f)};
  poses[0].score = 0.1 + 0.2;
  const CocoResults direct = to_coco_results(poses);
  for (const ResultsLayout layout : {ResultsLayout::lines, ResultsLayout::indented}) {
    const std::string text = coco_results_json(poses, layout);
    const CocoResults read = parse_coco_results(text, 17, "text");
    EXPECT_EQ(read.keypoints, direct.keypoints);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(read.poses[i].area, direct.poses[i].area);
      EXPECT_EQ(read.poses[i].score, direct.poses[i].score);
    }
    EXPECT_EQ(Json::parse(text)[0]["center"], Json::parse("[60.0, 61.0]"));
  }
  EXPECT_EQ(Json::parse(coco_results_json({})), Json::array());
}

TEST(PoseResults, NanIsRefusedWithTheImage) {
  std::vector<PredictedPose> poses = {pose_at(77, 0, 0.5f)};
  poses[0].keypoints[4] = std::numeric_limits<float>::quiet_NaN();
  try {
    static_cast<void>(coco_results_json(poses));
    FAIL();
  } catch (const NumericError& e) {
    EXPECT_NE(std::string(e.what()).find("image 77"), std::string::npos);
  }
}

// ---- the published code's run of a whole evaluation ----

std::vector<PredictedPose> golden_poses(const Json& golden) {
  std::vector<PredictedPose> poses;
  for (std::size_t i = 0; i < golden["preds"].size(); ++i) {
    const std::vector<double> numbers = test_support::flat_numbers(golden["preds"][i]);
    const Json& box = golden["boxes"][i];
    PredictedPose pose{.image_id = golden["image"][i],
                       .keypoints = {numbers.begin(), numbers.end()},
                       .region = {{box[0], box[1]}, box[2], box[3]},
                       .box_score = box[5]};
    pose.region.round();
    EXPECT_NEAR(region_area(pose.region), box[4].get<double>(), 1e-8 * box[4].get<double>());
    poses.push_back(std::move(pose));
  }
  return poses;
}

void expect_results(const std::vector<PredictedPose>& kept, const Json& wanted) {
  ASSERT_EQ(kept.size(), wanted.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].image_id, wanted[i]["image_id"].get<std::int64_t>()) << i;
    EXPECT_NEAR(kept[i].score, wanted[i]["score"].get<double>(), 1e-8) << i;
    const std::vector<double> keypoints = test_support::flat_numbers(wanted[i]["keypoints"]);
    for (std::size_t k = 0; k < keypoints.size(); ++k) {
      EXPECT_EQ(kept[i].keypoints[k], static_cast<float>(keypoints[k])) << i << ' ' << k;
    }
  }
}

TEST(PoseResultsGolden, WholeEvaluation) {
  const auto path = test_support::shared_path("data/golden/topdown/evaluate.json");
  const auto labels_path = test_support::shared_path("data/golden/topdown/data_second.json");
  if (!path || !labels_path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  const Json labels_json = io::read_json(*labels_path)["annotations"];
  const CocoLabels labels = parse_coco_labels(labels_json.dump(), 17, "labels");
  for (const char* kind : {"hard", "soft"}) {
    SCOPED_TRACE(kind);
    const auto kept =
        rescore_and_suppress(golden_poses(golden), sigmas(), {.soft = std::string(kind) == "soft"});
    expect_results(kept, golden[kind]["results"]);
    const CocoEvaluation evaluation =
        evaluate_coco_keypoints(labels, to_coco_results(kept), {.sigmas = sigmas()});
    for (std::size_t f = 0; f < 10; ++f) {
      EXPECT_NEAR(evaluation.figures[f], golden[kind]["figures"][kCocoFigureNames[f]].get<double>(),
                  1e-8)
          << kCocoFigureNames[f];
    }
    std::string first_lines;
    for (const Json& line : golden["first_lines_of_results_file"]) {
      if (!first_lines.empty()) first_lines += '\n';
      first_lines += line.get<std::string>();
    }
    if (std::string(kind) == "hard") {
      EXPECT_TRUE(coco_results_json(kept, ResultsLayout::indented).starts_with(first_lines));
    }
  }
}

}  // namespace
}  // namespace akimbo::datasets
