#include "apps/draw/poses.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "tests/support/throws.h"

namespace akimbo::draw {
namespace {

Skeleton arms() {
  Skeleton s;
  s.name = "arms";
  s.keypoints = {"left_elbow", "left_wrist", "right_elbow", "right_wrist"};
  s.flip_pairs = {{0, 2}, {1, 3}};
  s.limbs = {{0, 1}, {2, 3}, {0, 2}};
  s.sigmas.assign(4, 0.05);
  s.weights.assign(4, 1.0f);
  return s;
}

Colour at(const Image& image, int x, int y) {
  const std::uint8_t* p = image.row(y) + 3 * x;
  return {p[0], p[1], p[2]};
}

DrawnPose square(double score) {
  return {.keypoints = {{80, 20, score}, {80, 80, score}, {20, 20, score}, {20, 80, score}}};
}

TEST(DrawPoses, SidesHaveTheirColours) {
  Image image(100, 100, 3);
  const PoseStyle style;
  draw_poses(image, {square(1)}, arms(), style);
  const auto near = [](Colour a, Colour b) {
    return std::abs(a.r - b.r) < 40 && std::abs(a.g - b.g) < 40 && std::abs(a.b - b.b) < 40;
  };
  EXPECT_TRUE(near(at(image, 80, 50), style.left));
  EXPECT_TRUE(near(at(image, 20, 50), style.right));
  EXPECT_TRUE(near(at(image, 50, 20), style.middle));  // from elbow to elbow
  EXPECT_EQ(at(image, 50, 60), Colour{});
}

TEST(DrawPoses, UnsureAndMissingKeypointsAreLeftOut) {
  Image image(100, 100, 3);
  DrawnPose pose = square(0.9);
  pose.keypoints[0].score = 0.1;
  pose.keypoints[2].x = std::nan("");
  draw_poses(image, {pose}, arms());
  EXPECT_EQ(at(image, 80, 50), Colour{});
  EXPECT_EQ(at(image, 50, 20), Colour{});
  EXPECT_NE(at(image, 80, 80), Colour{});
  draw_poses(image, {square(0)}, arms(), {.min_score = 0});
  EXPECT_EQ(at(image, 80, 50), Colour{});
}

TEST(DrawPoses, HiddenKeypointsAreRings) {
  Image visible(100, 100, 3), hidden(100, 100, 3);
  const PoseStyle style{.thickness = 4};
  DrawnPose pose = square(0);
  pose.keypoints[1].score = score_of_visibility(2);
  pose.keypoints[2].score = score_of_visibility(0);
  draw_poses(visible, {pose}, arms(), style);
  pose.keypoints[1].score = score_of_visibility(1);
  draw_poses(hidden, {pose}, arms(), style);
  EXPECT_EQ(at(visible, 80, 80), style.left);
  EXPECT_NE(at(hidden, 80, 80), style.left);
}

TEST(DrawPoses, BoxAndScore) {
  Image image(120, 120, 3), plain(120, 120, 3);
  DrawnPose pose = square(0.9);
  draw_poses(plain, {pose}, arms());
  pose.box_xywh = {10, 15, 90, 90};
  pose.score = 0.87;
  draw_poses(image, {pose}, arms());
  EXPECT_GT(at(image, 10, 60).r, 150);
  EXPECT_EQ(at(plain, 10, 60), Colour{});
  EXPECT_NE(image.pixels, plain.pixels);
  Image quiet(120, 120, 3);
  draw_poses(quiet, {pose}, arms(), {.boxes = false, .scores = false});
  EXPECT_EQ(quiet.pixels, plain.pixels);
}

TEST(DrawPoses, WrongNumberOfKeypointsIsNamed) {
  Image image(10, 10, 3);
  EXPECT_THROWS_WITH(draw_poses(image, {{.keypoints = {{1, 1, 1}}}}, arms()), ArgumentError,
                     "arms has 4");
}

}  // namespace
}  // namespace akimbo::draw
