#include "engine/pose/skeleton.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace akimbo {
namespace {

const char* const kArm = R"({"name": "arm",
  "keypoints": ["neck", "left_hand", "right_hand"], "sigmas": [0.1, 0.2, 0.2],
  "flip_pairs": [["left_hand", "right_hand"]], "limbs": [["neck", "left_hand"]],
  "upper_body": ["neck"], "keypoint_colors": ["#000000", "#3296FF", "#ff7818"],
  "limb_colors": ["#0a0b0c"]})";

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
  EXPECT_EQ(arm.keypoint_colors[1], (Rgb{0x32, 0x96, 0xff}));
  EXPECT_EQ(arm.limb_colors, (std::vector<Rgb>{{10, 11, 12}}));
}

TEST(Skeleton, GoesThroughItsTextUnchanged) {
  const Skeleton arm = parse_skeleton(kArm, "arm");
  const Skeleton again = parse_skeleton(skeleton_json(arm), "text");
  EXPECT_EQ(skeleton_json(again), skeleton_json(arm));
  EXPECT_EQ(again.flip_pairs, arm.flip_pairs);
  EXPECT_EQ(again.keypoint_colors, arm.keypoint_colors);
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
  const auto of_two = [](const std::string& more) {
    return message_of(R"({"keypoints": ["a", "b"], "sigmas": [1, 1], )" + more + "}");
  };
  const std::pair<const char*, const char*> wrong[] = {
      {R"("limbs": [["a", "b"], ["b", "a"]])", "joins \"b\" and \"a\" twice"},
      {R"("limbs": [["a", "a"]])", "with itself"},
      {R"("limbs": [["a"]])", "pairs of keypoint names"},
      {R"("flip_pairs": [["a", "b"], ["a", "b"]])", "names \"a\" twice"},
      {R"("upper_body": ["a"], "lower_body": ["a"])", "name \"a\" twice"},
      {R"("upper_body": [0])", "must name keypoints, not 0"},
      {R"("keypoint_colors": ["#000000"])", "holds 1 colors, but there are 2 keypoints"},
      {R"("keypoint_colors": ["red", "#000000"])", "such as \"#3296ff\", not \"red\""},
      {R"("limb_colors": ["#000000"])", "there are 0 limbs"},
      {R"("weights": [1, -1])", "positive numbers, not -1"},
      {R"("name": 7)", "must be a text"}};
  for (const auto& [text, part] : wrong) {
    EXPECT_NE(of_two(text).find(part), std::string::npos) << text << ": " << of_two(text);
  }
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
