#include "datasets/metrics/crowdpose.h"

#include <gtest/gtest.h>

#include "datasets/meta.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::datasets {
namespace {

CrowdPoseEvaluation evaluate(const Json& gt, const Json& results) {
  const LabelOptions options = crowdpose_label_options();
  return evaluate_crowdpose(parse_coco_labels(gt.dump(), 14, "labels", options),
                            parse_coco_results(results.dump(), 14, "results"),
                            {.sigmas = skeleton_by_name("crowdpose").sigmas});
}

Json keypoints_at(double x) {
  Json keypoints = Json::array();
  for (int k = 0; k < 14; ++k) {
    keypoints.push_back(x + 5 * k);
    keypoints.push_back(50 + 9 * k);
    keypoints.push_back(2);
  }
  return keypoints;
}

// One person an image; crowd indices at and around the limits. Areas are not in the file.
Json labels() {
  const std::vector<double> indices = {0, 0.19, 0.2, 0.79, 0.8, 3};
  Json gt = {{"images", Json::array()},
             {"annotations", Json::array()},
             {"categories", {{{"id", 1}, {"name", "person"}}}}};
  for (int i = 0; i < 6; ++i) {
    gt["images"].push_back({{"id", i + 1}, {"crowdIndex", indices[static_cast<std::size_t>(i)]}});
    gt["annotations"].push_back({{"id", i + 1},
                                 {"image_id", i + 1},
                                 {"category_id", 1},
                                 {"iscrowd", 0},
                                 {"bbox", {0, 0, 100, 200}},
                                 {"num_keypoints", 12},
                                 {"keypoints", keypoints_at(20)}});
  }
  return gt;
}

Json pose(int image, double score, double off = 0) {
  return {{"image_id", image},
          {"category_id", 1},
          {"keypoints", keypoints_at(20 + off)},
          {"score", score}};
}

TEST(CrowdPose, PartsAreCutAtOneFifthAndFourFifths) {
  const Json results = {pose(1, .9), pose(2, .9), pose(3, .9), pose(5, .9), pose(6, .9)};
  const CrowdPoseEvaluation evaluation = evaluate(labels(), results);
  EXPECT_EQ(evaluation.num_images, (std::array<int, 3>{2, 2, 2}));
  EXPECT_EQ(evaluation.figures[6], 1);
  EXPECT_EQ(evaluation.figures[8], 1);
  EXPECT_EQ(evaluation.figures[7], 0.505);  // recall .5: 51 of 101 recalls, to four decimals
}

// Example 4.6: 10 px off in a box of 100 x 200 is an OKS of 0.8296490655946.
TEST(CrowdPose, AreasAreAShareOfTheBox) {
  Json results = Json::array();
  for (int i = 1; i <= 6; ++i) results.push_back(pose(i, .9, 10));
  const CrowdPoseEvaluation evaluation = evaluate(labels(), results);
  EXPECT_NEAR(evaluation.figures[3], 0.7, 1e-12);  // thresholds .50 to .80 of ten
  EXPECT_EQ(evaluation.figures[5], 1);
}

TEST(CrowdPose, EmptyPartsAreMinusOne) {
  Json gt = labels();
  for (Json& image : gt["images"]) image["crowdIndex"] = 0.5;
  const CrowdPoseEvaluation evaluation = evaluate(gt, Json::array({pose(1, .9)}));
  EXPECT_EQ(evaluation.figures[6], -1);
  EXPECT_EQ(evaluation.figures[8], -1);
}

TEST(CrowdPose, HeadAndNeckAloneDoNotCount) {
  Json gt = labels();
  gt["annotations"][0]["num_keypoints"] = 0;
  EXPECT_EQ(
      evaluate(gt, {pose(2, .9), pose(3, .9), pose(4, .9), pose(5, .9), pose(6, .9)}).figures[0],
      1);
}

TEST(CrowdPose, BadFilesAreNamed) {
  Json gt = labels();
  gt["images"][2].erase("crowdIndex");
  EXPECT_THROWS_WITH((void)evaluate(gt, Json::array()), FileError, "5 of 6 images");
  gt = labels();
  gt["images"][2]["crowdIndex"] = "high";
  EXPECT_THROWS_WITH((void)evaluate(gt, Json::array()), FileError, "a number expected");
  gt = labels();
  gt["annotations"][0].erase("bbox");
  EXPECT_THROWS_WITH((void)evaluate(gt, Json::array()), FileError, "has no \"bbox\"");
  const CocoLabels without = parse_coco_labels(R"({"images": [{"id": 1}], "annotations": []})", 14,
                                               "labels", {.box_area_share = 0.53});
  EXPECT_THROW((void)evaluate_crowdpose(without, {}, {.sigmas = std::vector<double>(14, .1)}),
               ArgumentError);
}

TEST(CrowdPoseOfficial, StoredCase) {
  const auto path = test_support::shared_path("data/metrics/crowdpose_synth.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  const CrowdPoseEvaluation evaluation = evaluate(golden["gt"], golden["results"]);
  const std::vector<double> stats = test_support::flat_numbers(golden["stats_11"]);
  for (std::size_t f = 0; f < 3; ++f) {
    EXPECT_NEAR(evaluation.figures[f], stats[f], 1e-12) << f;
    EXPECT_NEAR(evaluation.figures[f + 3], stats[f + 5], 1e-12) << f;
    EXPECT_EQ(evaluation.figures[f + 6], stats[f + 8]) << f;
    EXPECT_EQ(evaluation.num_images[f], golden["split_sizes"][f].get<int>());
  }
}

}  // namespace
}  // namespace akimbo::datasets
