#include "datasets/metrics/coco_keypoints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "datasets/meta.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "kernels/common/parallel.h"
#include "tests/datasets/metrics/coco_cases.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::datasets {
namespace {

const CocoEvalOptions& coco_options() {
  static const CocoEvalOptions options{.sigmas = skeleton_by_name("coco").sigmas};
  return options;
}

CocoEvaluation evaluate(const Json& gt, const Json& results) {
  return evaluate_coco_keypoints(parse_coco_labels(gt.dump(), 17, "labels"),
                                 parse_coco_results(results.dump(), 17, "results"), coco_options());
}

void expect_figures(const CocoEvaluation& evaluation, const std::vector<double>& wanted,
                    double tolerance = 1e-12) {
  ASSERT_EQ(wanted.size(), 10u);
  for (std::size_t f = 0; f < 10; ++f) {
    EXPECT_NEAR(evaluation.figures[f], wanted[f], tolerance) << kCocoFigureNames[f];
  }
}

// A person of 17 keypoints in a 4 x 5 grid whose extent is side x side.
Json keypoints_at(double x, double y, double side) {
  Json numbers = Json::array();
  for (int k = 0; k < 17; ++k) {
    numbers.push_back(x + side / 4 * (k % 5));
    numbers.push_back(y + side / 3 * (k / 5));
    numbers.push_back(2);
  }
  return numbers;
}

Json person(int id, int image, const Json& keypoints, double area) {
  return {
      {"id", id},     {"image_id", image},        {"category_id", 1},    {"iscrowd", 0},
      {"area", area}, {"bbox", {0, 0, 100, 100}}, {"num_keypoints", 17}, {"keypoints", keypoints}};
}

Json pose(int image, const Json& keypoints, double score) {
  return {{"image_id", image}, {"category_id", 1}, {"keypoints", keypoints}, {"score", score}};
}

Json labels(const Json& annotations, int num_images = 2) {
  Json images = Json::array();
  for (int i = 1; i <= num_images; ++i) images.push_back({{"id", i}});
  return {{"images", images},
          {"annotations", annotations},
          {"categories", Json::array({{{"id", 1}, {"name", "person"}}})}};
}

// Example 1.8 (d) of the metric's description: true, false, true of three people.
Json three_people() {
  return labels({person(1, 1, keypoints_at(50, 50, 50), 5000),
                 person(2, 1, keypoints_at(200, 50, 140), 20000),
                 person(3, 2, keypoints_at(200, 50, 140), 20000)});
}

Json three_poses() {
  return {pose(1, keypoints_at(50, 50, 50), .9), pose(1, keypoints_at(400, 300, 100), .8),
          pose(1, keypoints_at(200, 50, 140), .7)};
}

TEST(CocoKeypoints, ThreePeopleByHand) {
  const double ap = 56.0 / 101.0, large = 25.5 / 101.0, ar = 2.0 / 3.0;
  const CocoEvaluation evaluation = evaluate(three_people(), three_poses());
  expect_figures(evaluation, {ap, ap, ap, 1, large, ar, ar, ar, 1, 0.5});
  EXPECT_EQ(evaluation.precision.size(), 10u * 101u * 3u);
  EXPECT_NE(coco_summary(evaluation)
                .find(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all "
                      "| maxDets= 20 ] = 0.554\n"),
            std::string::npos);
}

TEST(CocoKeypoints, NothingFoundIsZeroAndNothingLabelledIsMinusOne) {
  expect_figures(evaluate(three_people(), Json::array()), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const std::vector<double> none(10, -1.0);
  expect_figures(evaluate(labels(Json::array()), three_poses()), none);
  expect_figures(evaluate(labels(Json::array()), Json::array()), none);
}

TEST(CocoKeypoints, IdZeroCountsAsUnmatched) {
  Json gt = three_people();
  gt["annotations"][0]["id"] = 0;
  const CocoEvaluation evaluation = evaluate(gt, three_poses());
  EXPECT_NEAR(evaluation.figures[5], 1.0 / 3.0, 1e-12);
}

TEST(CocoKeypoints, TheTwentyFirstDetectionHasNoInfluence) {
  Json results = Json::array();
  for (int i = 0; i < 20; ++i) results.push_back(pose(1, keypoints_at(400, 300, 100), .9));
  results.push_back(pose(1, keypoints_at(50, 50, 50), .8));
  EXPECT_EQ(evaluate(three_people(), results).figures[5], 0.0);
  results[0]["score"] = .7;
  EXPECT_GT(evaluate(three_people(), results).figures[5], 0.3);
}

TEST(CocoKeypoints, OrderOfImagesAndNumberOfThreadsChangeNothing) {
  Json gt = three_people();
  const CocoEvaluation once = evaluate(gt, three_poses());
  std::reverse(gt["images"].begin(), gt["images"].end());
  EXPECT_EQ(evaluate(gt, three_poses()).precision, once.precision);
  kernels::set_num_threads(1);
  const CocoEvaluation serial = evaluate(gt, three_poses());
  kernels::set_num_threads(0);
  EXPECT_EQ(serial.precision, once.precision);
  EXPECT_EQ(serial.recall, once.recall);
}

TEST(CocoKeypoints, CategoriesAreKeptApart) {
  Json gt = three_people();
  gt["categories"].push_back({{"id", 7}, {"name", "animal"}});
  gt["annotations"].push_back(person(4, 2, keypoints_at(300, 300, 140), 20000));
  gt["annotations"].back()["category_id"] = 7;
  const CocoEvaluation evaluation = evaluate(gt, three_poses());
  EXPECT_EQ(evaluation.num_categories, 2);
  EXPECT_NEAR(evaluation.figures[0], 28.0 / 101.0, 1e-12);
}

std::string error_of(const std::string& gt, const std::string& results) {
  try {
    static_cast<void>(evaluate_coco_keypoints(parse_coco_labels(gt, 17, "labels.json"),
                                              parse_coco_results(results, 17, "results.json"),
                                              coco_options()));
  } catch (const FileError& e) {
    return e.what();
  }
  return "accepted";
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(CocoKeypoints, BadResultsAreNamed) {
  const std::string gt = three_people().dump();
  const auto changed = [&](const char* key, const Json& value) {
    Json results = three_poses();
    results[1][key] = value;
    return error_of(gt, results.dump());
  };
  const auto without = [&](const char* key) {
    Json results = three_poses();
    results[1].erase(key);
    return error_of(gt, results.dump());
  };
  EXPECT_SAYS(changed("image_id", 99), "result 2 is of image 99");
  EXPECT_SAYS(changed("keypoints", Json::array({1, 2, 3})), "result number 2 of the list has 3");
  EXPECT_SAYS(changed("score", "high"), "a number expected");
  EXPECT_SAYS(changed("bbox", Json::array({1, 2})), "a box has 4 numbers");
  EXPECT_SAYS(without("score"), "has no \"score\"");
  EXPECT_SAYS(without("image_id"), "has no \"image_id\"");
  EXPECT_SAYS(without("keypoints"), "has 0 keypoint numbers");
  std::string text = three_poses().dump();
  EXPECT_SAYS(error_of(gt, text.substr(0, text.size() / 2)), "cut off");
  EXPECT_SAYS(error_of(gt, "{}"), "no list of results");
  text.replace(text.find("0.9"), 3, "NaN");
  EXPECT_SAYS(error_of(gt, text), "NaN");
}

TEST(CocoKeypoints, BadLabelsAreNamed) {
  const auto changed = [&](const char* key, const Json& value) {
    Json gt = three_people();
    gt["annotations"][1][key] = value;
    return error_of(gt.dump(), "[]");
  };
  EXPECT_SAYS(changed("image_id", 99), "annotation 2 is of image 99, which is not listed");
  EXPECT_SAYS(changed("area", -3), "annotation 2 has the area -3");
  EXPECT_SAYS(changed("bbox", Json::array({0, 0, -1, 5})), "negative size");
  EXPECT_SAYS(changed("bbox", Json::array({0, 0})), "a box has 4 numbers");
  EXPECT_SAYS(changed("id", 1), "annotation 1 is listed twice");
  EXPECT_SAYS(changed("keypoints", Json::array({1})), "annotation 2 has 1 keypoint numbers");
  EXPECT_SAYS(changed("area", nullptr), "a number expected");
  EXPECT_SAYS(changed("image_id", 1.5), "a whole number expected");
  EXPECT_SAYS(error_of("{\"images\": []}", "[]"), "has no \"annotations\"");
  EXPECT_SAYS(error_of("[]", "[]"), "an object expected");
}

TEST(CocoKeypoints, SkeletonsMustAgree) {
  const CocoLabels gt = parse_coco_labels(three_people().dump(), 17, "labels");
  EXPECT_THROW(static_cast<void>(evaluate_coco_keypoints(gt, {}, {.sigmas = {.1, .1}})),
               ArgumentError);
  EXPECT_THROW(static_cast<void>(evaluate_coco_files("absent.json", "absent.json", coco_options())),
               FileError);
}

TEST(CocoFiles, AreaOfAResultComesFromWhatTheFirstHas) {
  Json results = three_poses();
  EXPECT_EQ(parse_coco_results(results.dump(), 17, "r").poses[1].area, 100.0 * 100.0);
  for (Json& result : results) result["bbox"] = {0, 0, 3, 5};
  EXPECT_EQ(parse_coco_results(results.dump(), 17, "r").poses[1].area, 15.0);
  results[0]["bbox"] = Json::array();
  EXPECT_EQ(parse_coco_results(results.dump(), 17, "r").poses[1].area, 100.0 * 100.0);
  for (Json& result : results) {
    result.erase("bbox");
    result["segmentation"] = {{"size", {6, 8}}, {"counts", "73300000a0"}};
  }
  EXPECT_EQ(parse_coco_results(results.dump(), 17, "r").poses[1].area, 12.0);
}

TEST(CocoFiles, PosesFromMemoryEqualThoseFromAFile) {
  const Json results = three_poses();
  const CocoResults read = parse_coco_results(results.dump(), 17, "r");
  CocoResults added;
  for (const Json& result : results) {
    const auto keypoints = result["keypoints"].get<std::vector<float>>();
    added.add(result["image_id"], result["score"], keypoints.data(), 17);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(added.poses[i].area, read.poses[i].area, 1e-3);
    EXPECT_EQ(added.poses[i].score, read.poses[i].score);
  }
  EXPECT_THROW(added.add(1, 0.5, std::vector<float>(6).data(), 2), ArgumentError);
}

// Large files are read in pieces that are cut where a result seems to begin.
std::string many_results(int count, const std::string& extra) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) {
    text +=
        fmt::format("{}{{\"image_id\": {}, \"category_id\": 1, {}\"score\": {}, \"keypoints\": [",
                    i > 0 ? ",\n" : "", 1 + i % 2, extra, i / 8192.0);
    for (int k = 0; k < 51; ++k)
      text += fmt::format("{}{}.{:017}", k > 0 ? ", " : "", i % 640, k * i);
    text += "]}";
  }
  return text + "]\n";
}

TEST(CocoFiles, PiecesGiveTheSameAsReadingInOrder) {
  const int count = 4500;
  const std::string plain = many_results(count, "");
  ASSERT_GT(plain.size(), std::size_t{5} << 20);
  const CocoResults pieces = parse_coco_results(plain, 17, "plain");
  // Texts and nested lists that look like a border between results.
  const CocoResults nested =
      parse_coco_results(many_results(count, R"("a": [{"b": 1}, {"c": 2}], )"), 17, "nested");
  const CocoResults quoted =
      parse_coco_results(many_results(count, R"("a": "}, {\"image_id\": 7", )"), 17, "quoted");
  ASSERT_EQ(pieces.poses.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(pieces.poses[4000].score, 4000 / 8192.0);
  for (const CocoResults* other : {&nested, &quoted}) {
    EXPECT_EQ(other->keypoints, pieces.keypoints);
    ASSERT_EQ(other->poses.size(), pieces.poses.size());
    for (std::size_t i = 0; i < pieces.poses.size(); ++i) {
      ASSERT_EQ(other->poses[i].score, pieces.poses[i].score);
      ASSERT_EQ(other->poses[i].area, pieces.poses[i].area);
    }
  }
}

TEST(CocoFiles, AnErrorInALargeFileIsPlacedExactly) {
  std::string text = many_results(4500, "");
  const std::size_t at = text.rfind("score");
  const auto message = [&](const std::string& bad) -> std::string {
    try {
      static_cast<void>(parse_coco_results(bad, 17, "r.json"));
    } catch (const FileError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_SAYS(message(std::string(text).replace(at, 5, "scorn")),
              "result number 4500 of the list has no \"score\"");
  EXPECT_SAYS(message(text.substr(0, at)), "cut off");
  EXPECT_SAYS(message(text + "]"), "after the end");
}

// ---- the official tool's figures ----

TEST(CocoKeypointsOfficial, StoredCases) {
  for (const char* name : {"coco_tiny", "coco_tiny_ignore", "coco_synth"}) {
    const auto path = test_support::shared_path(std::string("data/metrics/") + name + ".json");
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    SCOPED_TRACE(name);
    const Json golden = io::read_json(*path);
    const CocoEvaluation evaluation = evaluate(golden["gt"], golden["results"]);
    expect_figures(evaluation, test_support::flat_numbers(golden["stats"]));
    if (!golden.contains("printed")) continue;
    std::string printed;
    for (const Json& line : golden["printed"]) printed += line.get<std::string>() + "\n";
    EXPECT_EQ(coco_summary(evaluation), printed);
    const auto precision = test_support::flat_numbers(golden["precision_TxR_all"]);
    for (std::size_t i = 0; i < precision.size(); ++i) {
      EXPECT_NEAR(evaluation.precision[3 * i], precision[i], 1e-12) << i;
    }
    const auto recall = test_support::flat_numbers(golden["recall_TxA"]);
    for (std::size_t i = 0; i < recall.size(); ++i) {
      EXPECT_NEAR(evaluation.recall[i], recall[i], 1e-12) << i;
    }
  }
}

TEST(CocoKeypointsOfficial, RandomSets) {
  const Json stored = io::read_json(AKIMBO_TEST_DATA "/metrics/coco_eval_cases.json");
  ASSERT_GE(stored["sets"].size(), 200u);
  for (std::size_t seed = 0; seed < stored["sets"].size(); ++seed) {
    SCOPED_TRACE(seed);
    const test_support::CocoCase files = test_support::make_coco_case(seed);
    const CocoEvaluation evaluation =
        evaluate_coco_keypoints(parse_coco_labels(files.labels, 17, "labels"),
                                parse_coco_results(files.results, 17, "results"), coco_options());
    expect_figures(evaluation, test_support::flat_numbers(stored["sets"][seed]));
  }
}

TEST(CocoKeypointsOfficial, RealAnnotations) {
  const auto path = test_support::shared_path("data/real/coco/test_coco.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json stored = io::read_json(AKIMBO_TEST_DATA "/metrics/coco_eval_cases.json");
  const CocoLabels labels = read_coco_labels(path->string(), 17);
  EXPECT_EQ(labels.people.size(), 14u);
  const CocoResults results =
      parse_coco_results(test_support::make_real_results(labels), 17, "results");
  expect_figures(evaluate_coco_keypoints(labels, results, coco_options()),
                 test_support::flat_numbers(stored["real"]));
}

}  // namespace
}  // namespace akimbo::datasets
