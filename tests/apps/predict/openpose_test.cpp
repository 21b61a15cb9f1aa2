#include "apps/predict/openpose.h"

#include <gtest/gtest.h>

#include "datasets/meta.h"
#include "engine/io/json.h"

namespace akimbo::apps {
namespace {

// Keypoint k of the skeleton lies at (10 k, 10 k + 1) with score 0.5 + 0.01 k.
std::vector<float> line_of(int K) {
  std::vector<float> keypoints;
  for (int k = 0; k < K; ++k) {
    keypoints.push_back(static_cast<float>(10 * k));
    keypoints.push_back(static_cast<float>(10 * k + 1));
    keypoints.push_back(static_cast<float>(0.5 + 0.01 * k));
  }
  return keypoints;
}

TEST(OpenPose, CocoBecomesBody25) {
  const Skeleton coco = datasets::skeleton_by_name("coco");
  const Json json = Json::parse(openpose_json({line_of(17), line_of(17)}, coco));
  EXPECT_EQ(1.3, json.at("version"));
  ASSERT_EQ(2u, json.at("people").size());
  const Json& person = json.at("people")[0];
  EXPECT_EQ(Json({-1}), person.at("person_id"));
  EXPECT_EQ(Json::array(), person.at("hand_left_keypoints_2d"));
  const auto values = person.at("pose_keypoints_2d").get<std::vector<double>>();
  ASSERT_EQ(75u, values.size());
  const auto expect_at = [&](std::size_t part, double x, double y, double score) {
    EXPECT_NEAR(x, values[3 * part], 1e-4) << part;
    EXPECT_NEAR(y, values[3 * part + 1], 1e-4) << part;
    EXPECT_NEAR(score, values[3 * part + 2], 1e-4) << part;
  };
  expect_at(0, 0, 1, 0.5);        // nose
  expect_at(1, 55, 56, 0.55);     // neck: between shoulders 5 and 6, the less sure one's score
  expect_at(2, 60, 61, 0.56);     // right shoulder
  expect_at(7, 90, 91, 0.59);     // left wrist
  expect_at(8, 115, 116, 0.61);   // middle of the hip: 11 and 12
  expect_at(11, 160, 161, 0.66);  // right ankle
  expect_at(18, 30, 31, 0.53);    // left ear
  expect_at(19, 0, 0, 0);         // left big toe: COCO has none
  expect_at(24, 0, 0, 0);
}

TEST(OpenPose, ANeckOfTheSkeletonIsTaken) {
  Skeleton skeleton;
  skeleton.keypoints = {"left_shoulder", "right_shoulder", "neck"};
  EXPECT_TRUE(has_openpose_keypoints(skeleton));
  const Json json = Json::parse(openpose_json({line_of(3)}, skeleton));
  const Json& values = json.at("people")[0].at("pose_keypoints_2d");
  EXPECT_NEAR(20, values[3].get<double>(), 1e-6);
}

TEST(OpenPose, NobodyAndUnknownSkeletons) {
  Skeleton skeleton;
  skeleton.keypoints = {"tail"};
  EXPECT_FALSE(has_openpose_keypoints(skeleton));
  EXPECT_EQ(Json::array(), Json::parse(openpose_json({}, skeleton)).at("people"));
}

}  // namespace
}  // namespace akimbo::apps
