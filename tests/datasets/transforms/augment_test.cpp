#include "datasets/transforms/augment.h"

#include <gtest/gtest.h>

#include <cmath>

namespace akimbo::datasets {
namespace {

const std::vector<int> kFlip = {0, 2, 1};
const AugmentContext kContext{.image_width = 640, .flip_permutation = kFlip};

PersonRecord person() {
  PersonRecord record;
  record.region = {{100, 50}, 0.5, 0.75};
  record.joints = {{{100, 20}, 1}, {{90, 30}, 1}, {{7, 8}, 0}};
  return record;
}

TEST(Augment, ScaleIsClippedAndRotationGated) {
  const AugmentOptions options;
  const auto run = [&](AugmentDraws draws) { return augment(person(), draws, options, kContext); };
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = 0.5}).region.scale_x), 0.5f * 1.15f);
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = -9}).region.scale_x), 0.5f * 0.7f);
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = 9}).region.scale_y), 0.75f * 1.3f);
  EXPECT_EQ(run({.rotation_gate = 0.61, .rotation_normal = 1}).rotation_deg, 0);
  EXPECT_EQ(run({.rotation_gate = 0.6, .rotation_normal = 0.5}).rotation_deg, 20);
  EXPECT_EQ(run({.rotation_gate = 0.6, .rotation_normal = 3}).rotation_deg, 80);
  EXPECT_FALSE(run({.flip_gate = 0.51}).mirrored);
}

TEST(Augment, MirrorsJointsBoxAndPairs) {
  const CropPlan plan = augment(person(), {.flip_gate = 0.5}, {}, kContext);
  EXPECT_TRUE(plan.mirrored);
  EXPECT_EQ(plan.joints[0].image.x, 539);
  EXPECT_EQ(plan.joints[2].image.x, 549);  // was joint 1
  EXPECT_EQ(plan.joints[2].visible, 1);
  EXPECT_EQ(plan.joints[1].image.x, 0);  // unlabelled joints go to (0, 0)
  EXPECT_EQ(plan.joints[1].image.y, 0);
  EXPECT_EQ(plan.region.center.x, 539);
  EXPECT_FALSE(augment(person(), {.flip_gate = 0.1}, {.flip = false}, kContext).mirrored);
}

TEST(Augment, MirroringTwiceIsIdentity) {
  CropPlan plan = plan_of(person());
  plan.joints[2] = {{33, 44}, 1};
  const CropPlan before = plan;
  mirror(plan, 641, kFlip);
  mirror(plan, 641, kFlip);
  EXPECT_FALSE(plan.mirrored);
  EXPECT_EQ(plan.region.center.x, before.region.center.x);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(plan.joints[k].image.x, before.joints[k].image.x);
    EXPECT_EQ(plan.joints[k].visible, before.joints[k].visible);
  }
}

// Twelve keypoints, the first six of the upper half, in a diagonal line.
std::vector<Joint> line(int labelled_upper, int labelled_lower) {
  std::vector<Joint> joints(12);
  for (int k = 0; k < 12; ++k) {
    const bool labelled = k < 6 ? k < labelled_upper : k - 6 < labelled_lower;
    joints[static_cast<std::size_t>(k)] = {{10.0 * k, 20.0 * k}, labelled ? 1.0F : 0.0F};
  }
  return joints;
}

TEST(Augment, HalfBodyTakesTheHalfThatHasEnoughKeypoints) {
  const std::vector<int> upper = {0, 1, 2, 3, 4, 5}, lower = {6, 7, 8, 9, 10, 11};
  const AugmentContext context{.aspect = 1, .upper_body = upper, .lower_body = lower};
  const auto center_x = [&](int labelled_upper, int labelled_lower, double normal) {
    const auto region = half_body_region(line(labelled_upper, labelled_lower), normal, context);
    return region ? region->center.x : -1;
  };
  EXPECT_EQ(center_x(5, 5, 0.49), 20);
  EXPECT_EQ(center_x(5, 5, 0.5), 80);
  EXPECT_EQ(center_x(2, 5, 0), 80) << "two are too few for the upper half";
  EXPECT_EQ(center_x(5, 2, 1), 20);
  EXPECT_EQ(center_x(2, 2, 1), 5) << "upper when both are short";
  EXPECT_EQ(center_x(1, 2, 0), -1);
  const auto region = half_body_region(line(5, 0), 0, context);
  ASSERT_TRUE(region);
  EXPECT_FLOAT_EQ(static_cast<float>(region->scale_x), 80.0F / 200 * 1.5F) << "the longer side";
  EXPECT_EQ(region->scale_y, region->scale_x);
}

TEST(Augment, HalfBodyNeedsItsGateAndMoreThanTheLeastKeypoints) {
  const std::vector<int> upper = {0, 1, 2, 3, 4, 5}, lower = {6, 7, 8, 9, 10, 11};
  const AugmentContext context{.image_width = 640, .upper_body = upper, .lower_body = lower};
  PersonRecord record = person();
  const auto moved = [&](int labelled, double gate) {
    record.joints = line(std::min(labelled, 6), std::max(0, labelled - 6));
    const CropPlan plan =
        augment(record, {.half_body_gate = gate}, {.half_body_probability = 0.3}, context);
    return plan.region.center.x != record.region.center.x;
  };
  EXPECT_TRUE(moved(9, 0.29));
  EXPECT_FALSE(moved(9, 0.3));
  EXPECT_FALSE(moved(8, 0.29));
}

TEST(Augment, DrawsHaveThePublishedShares) {
  const int count = 20000;
  int at_scale_end = 0, turned = 0, mirrored = 0;
  for (int i = 0; i < count; ++i) {
    RandomStream random(1, 2, static_cast<std::uint64_t>(i));
    const CropPlan plan = augment(person(), draw_augmentation(random), {}, kContext);
    at_scale_end += plan.region.scale_x == static_cast<double>(0.5f * 0.7f) ? 1 : 0;
    turned += plan.rotation_deg != 0 ? 1 : 0;
    mirrored += plan.mirrored ? 1 : 0;
    EXPECT_LE(std::abs(plan.rotation_deg), 80);
  }
  // Four standard deviations of a share of 0.5 of 20,000 are 0.014.
  EXPECT_NEAR(at_scale_end / static_cast<double>(count), 0.1587, 0.014);
  EXPECT_NEAR(turned / static_cast<double>(count), 0.6, 0.014);
  EXPECT_NEAR(mirrored / static_cast<double>(count), 0.5, 0.014);
}

}  // namespace
}  // namespace akimbo::datasets
