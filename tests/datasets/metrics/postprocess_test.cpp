// From heatmaps to a results file, against an independent computation from the description of the
// published pipelines (tests/parity/make_postprocess_fixture.py).
#include <gtest/gtest.h>

#include <algorithm>

#include "datasets/meta.h"
#include "datasets/metrics/pose_results.h"
#include "engine/io/json.h"
#include "engine/pose/heatmap_decode.h"
#include "tests/support/golden.h"

namespace akimbo::datasets {
namespace {

class Postprocess : public ::testing::Test {
 protected:
  Postprocess()
      : fixture_(io::read_json(AKIMBO_TEST_DATA "/topdown/postprocess.json")),
        skeleton_(skeleton_by_name("coco")) {}

  [[nodiscard]] static CenterScale region_of(const Json& person) {
    CenterScale region{
        {person["center"][0], person["center"][1]}, person["scale"][0], person["scale"][1]};
    region.round();
    return region;
  }

  [[nodiscard]] std::vector<float> keypoints_of(const Json& person, bool shift) const {
    const Shape shape = {1, 17, fixture_["height"], fixture_["width"]};
    const std::string name = person["map"];
    const Tensor maps = average_flipped(test_support::golden_input(name, shape),
                                        test_support::golden_input(name + "_mirrored", shape),
                                        skeleton_.flip_permutation(), shift);
    const Size2 size{fixture_["width"], fixture_["height"]};
    const std::vector<Affine> matrices = {heatmap_to_image(region_of(person), size)};
    const Tensor keypoints = decode_heatmaps(maps, matrices);
    return {keypoints.values<float>().begin(), keypoints.values<float>().end()};
  }

  Json fixture_;
  Skeleton skeleton_;
};

TEST_F(Postprocess, KeypointsEqualAnIndependentComputation) {
  ASSERT_EQ(fixture_["people"].size(), 14u);
  for (const Json& person : fixture_["people"]) {
    for (const bool shift : {true, false}) {
      const std::vector<double> wanted =
          test_support::flat_numbers(person[shift ? "shifted" : "plain"]);
      const std::vector<float> found = keypoints_of(person, shift);
      ASSERT_EQ(found.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_NEAR(found[i], wanted[i], 1e-6 * std::max(1.0, std::abs(wanted[i]))) << i;
      }
    }
  }
}

TEST_F(Postprocess, ScoresAndSuppressionEqualAnIndependentComputation) {
  std::vector<PredictedPose> poses;
  for (const Json& person : fixture_["people"]) {
    poses.push_back({.image_id = person["image_id"],
                     .keypoints = keypoints_of(person, true),
                     .region = region_of(person),
                     .box_score = person["box_score"]});
    EXPECT_NEAR(region_area(poses.back().region), person["area"].get<double>(), 1e-6);
  }
  for (const bool soft : {false, true}) {
    const Json& kept = fixture_["kept"][soft ? "soft" : "hard"];
    const auto found = rescore_and_suppress(
        poses, skeleton_.sigmas, {.oks_threshold = fixture_["oks_threshold"], .soft = soft});
    ASSERT_EQ(found.size(), kept.size()) << soft;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Json& person = fixture_["people"][kept[i].get<std::size_t>()];
      EXPECT_NEAR(found[i].score, person["score"].get<double>(), 1e-6);
      EXPECT_EQ(found[i].region.center.x, region_of(person).center.x) << soft << " " << i;
      EXPECT_EQ(found[i].region.center.y, region_of(person).center.y) << soft << " " << i;
    }
  }
}

}  // namespace
}  // namespace akimbo::datasets
