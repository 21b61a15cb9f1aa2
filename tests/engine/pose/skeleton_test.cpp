#include "engine/pose/skeleton.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace akimbo {
namespace {

const char* const kArm = R"({"name": "arm",
  "keypoints": ["neck", "left_hand", "right_hand"], "sigmas": [0.1, 0.2, 0.2],
  "flip_pairs": [["left_hand", "right_hand"]], "limbs": [["neck", "left_hand"]],
  "upper_body": ["neck"]})";

TEST(Skeleton, ReadsEveryEntry) {
  const Skeleton arm = parse_skeleton(kArm, "arm");
  EXPECT_EQ(arm.num_keypoints(), 3);
  EXPECT_EQ(arm.index_of("right_hand"), 2);
  EXPECT_EQ(arm.flip_permutation(), (std::vector<int>{0, 2, 1}));
  EXPECT_EQ(arm.sides(), (std::vector<Side>{Side::middle, Side::left, Side::right}));
  EXPECT_EQ(arm.limbs, (std::vector<std::pair<int, int>>{{0, 1}}));
  EXPECT_EQ(arm.sigmas, (std::vector<double>{0.1, 0.2, 0.2}));
  EXPECT_EQ(arm.weights, (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(arm.upper_body, std::vector<int>{0});
  EXPECT_TRUE(arm.lower_body.empty());
}

TEST(Skeleton, GoesThroughItsTextUnchanged) {
  const Skeleton arm = parse_skeleton(kArm, "arm");
  const Skeleton again = parse_skeleton(skeleton_json(arm), "text");
  EXPECT_EQ(skeleton_json(again), skeleton_json(arm));
  EXPECT_EQ(again.flip_pairs, arm.flip_pairs);
}

std::string message_of(const std::string& text) {
  try {
    static_cast<void>(parse_skeleton(text, "my.json"));
  } catch (const FileError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Skeleton, SaysWhatIsWrong) {
  EXPECT_NE(message_of("[1]").find("no JSON object"), std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a"]})").find("\"sigmas\" is missing"), std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a", "a"], "sigmas": [1, 1]})").find("twice"),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a"], "sigmas": [1, 1]})").find("2 numbers"),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a"], "sigmas": [0]})").find("positive"),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["neck"], "sigmas": [1], "limbs": [["neck", "nekc"]]})")
                .find("did you mean \"neck\""),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a"], "sigmas": [1], "limb": []})")
                .find("did you mean \"limbs\""),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": ["a", "b", "c"], "sigmas": [1, 1, 1],
                           "flip_pairs": [["a", "b"], ["b", "c"]]})")
                .find("names \"b\" twice"),
            std::string::npos);
  EXPECT_NE(message_of(R"({"keypoints": "a"})").find("must be a list"), std::string::npos);
  EXPECT_NE(message_of("{").find("my.json"), std::string::npos);
}

TEST(Skeleton, NamesTheNearestKeypoint) {
  const Skeleton arm = parse_skeleton(kArm, "arm");
  try {
    static_cast<void>(arm.index_of("left_hnad"));
    FAIL();
  } catch (const ArgumentError& e) {
    EXPECT_NE(std::string(e.what()).find("left_hand"), std::string::npos);
  }
}

}  // namespace
}  // namespace akimbo
