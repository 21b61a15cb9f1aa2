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
  const PoseStyle style{.radius_px = 5, .thickness_px = 5};
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

TEST(DrawPoses, StylesColourByLimbOrPersonAndLeaveOut) {
  const auto draw = [](SkeletonStyle style, std::size_t num_people) {
    Image image(100, 100, 3);
    std::vector<DrawnPose> people(num_people, square(1));
    if (num_people > 1) people[0].keypoints[0].score = people[0].keypoints[1].score = 0;
    draw_poses(image, people, arms(), {.style = style, .radius_px = 4, .thickness_px = 4});
    return image;
  };
  const Image limbs = draw(SkeletonStyle::limbs, 1);
  EXPECT_NE(at(limbs, 80, 50), at(limbs, 20, 50));
  EXPECT_NE(at(limbs, 20, 50), at(limbs, 50, 20));
  const Image people = draw(SkeletonStyle::people, 1);
  EXPECT_EQ(at(people, 80, 50), at(people, 20, 50));
  EXPECT_NE(at(people, 20, 50), at(draw(SkeletonStyle::people, 2), 20, 50));  // the second's
  const Image points = draw(SkeletonStyle::points, 1), lines = draw(SkeletonStyle::lines, 1);
  EXPECT_EQ(at(points, 80, 50), Colour{});
  EXPECT_NE(at(points, 80, 80), Colour{});
  EXPECT_NE(at(lines, 80, 50), Colour{});
  EXPECT_EQ(at(lines, 80, 84), Colour{});  // beyond the line's round end
  EXPECT_NE(at(points, 80, 84), Colour{});
  EXPECT_EQ(parse_skeleton_style("points"), SkeletonStyle::points);
  EXPECT_THROWS_WITH((void)parse_skeleton_style("stick"), ConfigError, "auto, sides, limbs");
}

TEST(DrawPoses, TheSkeletonsColoursGoFirst) {
  Skeleton skeleton = arms();
  skeleton.limb_colors = {{250, 0, 0}, {0, 250, 0}, {0, 0, 250}};
  skeleton.keypoint_colors.assign(4, {250, 250, 0});
  Image own(100, 100, 3), sides(100, 100, 3);
  draw_poses(own, {square(1)}, skeleton, {.radius_px = 4, .thickness_px = 4});
  EXPECT_GT(at(own, 80, 50).r, 200);
  EXPECT_GT(at(own, 20, 50).g, 200);
  EXPECT_GT(at(own, 50, 20).b, 200);
  EXPECT_EQ(at(own, 80, 80), (Colour{250, 250, 0}));
  draw_poses(sides, {square(1)}, skeleton, {.style = SkeletonStyle::sides, .radius_px = 4});
  EXPECT_EQ(at(sides, 80, 80), PoseStyle().left);
}

TEST(DrawPoses, ColourCircleHasDistinctBrightColours) {
  const std::vector<Colour> colours = colour_circle(6);
  EXPECT_EQ((Colour{255, 60, 60}), colours[0]);
  EXPECT_EQ((Colour{60, 255, 60}), colours[2]);
  EXPECT_EQ((Colour{60, 60, 255}), colours[4]);
  EXPECT_TRUE(colour_circle(0).empty());
}

TEST(DrawPoses, IdsAreNumbersFromOne) {
  Image plain(120, 120, 3), numbered(120, 120, 3), second(120, 120, 3);
  DrawnPose pose = square(0.9);
  pose.box_xywh = {10, 30, 90, 60};
  const PoseStyle style{.boxes = false, .ids = true};
  draw_poses(plain, {pose}, arms(), {.boxes = false});
  draw_poses(numbered, {pose}, arms(), style);
  EXPECT_NE(plain.pixels, numbered.pixels);
  DrawnPose nobody = pose;
  for (DrawnKeypoint& k : nobody.keypoints) k.score = 0;
  nobody.box_xywh.reset();
  draw_poses(second, {nobody, pose}, arms(), style);
  EXPECT_NE(second.pixels, numbered.pixels);  // "#2", not "#1"
}

TEST(DrawPoses, WrongNumberOfKeypointsIsNamed) {
  Image image(10, 10, 3);
  EXPECT_THROWS_WITH(draw_poses(image, {{.keypoints = {{1, 1, 1}}}}, arms()), ArgumentError,
                     "arms has 4");
}

}  // namespace
}  // namespace akimbo::draw
