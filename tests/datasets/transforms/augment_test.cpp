#include "datasets/transforms/augment.h"

#include <gtest/gtest.h>

#include <cmath>

namespace akimbo::datasets {
namespace {

const std::vector<int> kFlip = {0, 2, 1};

PersonRecord person() {
  PersonRecord record;
  record.region = {{100, 50}, 0.5, 0.75};
  record.joints = {{{100, 20}, 1}, {{90, 30}, 1}, {{7, 8}, 0}};
  return record;
}

TEST(Augment, ScaleIsClippedAndRotationGated) {
  const AugmentOptions options;
  const auto run = [&](AugmentDraws draws) {
    return augment(person(), draws, options, 640, kFlip);
  };
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = 0.5}).region.scale_x), 0.5f * 1.15f);
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = -9}).region.scale_x), 0.5f * 0.7f);
  EXPECT_FLOAT_EQ(static_cast<float>(run({.scale_normal = 9}).region.scale_y), 0.75f * 1.3f);
  EXPECT_EQ(run({.rotation_gate = 0.61, .rotation_normal = 1}).rotation_deg, 0);
  EXPECT_EQ(run({.rotation_gate = 0.6, .rotation_normal = 0.5}).rotation_deg, 20);
  EXPECT_EQ(run({.rotation_gate = 0.6, .rotation_normal = 3}).rotation_deg, 80);
  EXPECT_FALSE(run({.flip_gate = 0.51}).mirrored);
}

TEST(Augment, MirrorsJointsBoxAndPairs) {
  const CropPlan plan = augment(person(), {.flip_gate = 0.5}, {}, 640, kFlip);
  EXPECT_TRUE(plan.mirrored);
  EXPECT_EQ(plan.joints[0].image.x, 539);
  EXPECT_EQ(plan.joints[2].image.x, 549);  // was joint 1
  EXPECT_EQ(plan.joints[2].visible, 1);
  EXPECT_EQ(plan.joints[1].image.x, 0);  // unlabelled joints go to (0, 0)
  EXPECT_EQ(plan.joints[1].image.y, 0);
  EXPECT_EQ(plan.region.center.x, 539);
  EXPECT_FALSE(augment(person(), {.flip_gate = 0.1}, {.flip = false}, 640, kFlip).mirrored);
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

TEST(Augment, DrawsHaveThePublishedShares) {
  const int count = 20000;
  int at_scale_end = 0, turned = 0, mirrored = 0;
  for (int i = 0; i < count; ++i) {
    RandomStream random(1, 2, static_cast<std::uint64_t>(i));
    const CropPlan plan = augment(person(), draw_augmentation(random), {}, 640, kFlip);
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
