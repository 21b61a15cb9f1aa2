#include "datasets/meta.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

TEST(Meta, EverySkeletonOfTheProgramIsValidAndCarriesItsName) {
  for (const std::string& name : skeleton_names()) EXPECT_EQ(skeleton_by_name(name).name, name);
}

TEST(Meta, CocoIsThePublishedSkeleton) {
  const Skeleton coco = skeleton_by_name("coco");
  EXPECT_EQ(coco.num_keypoints(), 17);
  EXPECT_EQ(coco.keypoints[0], "nose");
  EXPECT_EQ(coco.keypoints[16], "right_ankle");
  const std::vector<int> mirrored = {0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15};
  EXPECT_EQ(coco.flip_permutation(), mirrored);
  EXPECT_EQ(coco.sigmas[11], 1.07 / 10);  // as the evaluator has them
  EXPECT_EQ(coco.sigmas[0], .26 / 10);
  EXPECT_EQ(coco.upper_body.size(), 11u);
  EXPECT_EQ(coco.lower_body.size(), 6u);
  EXPECT_EQ(coco.limbs.size(), 19u);
}

TEST(Meta, LspetHasTheOrderOfCrowdPose) {
  const Skeleton lspet = skeleton_by_name("lspet");
  EXPECT_EQ(lspet.num_keypoints(), 14);
  EXPECT_EQ(lspet.index_of("head"), 12);
  EXPECT_EQ(lspet.index_of("left_knee"), 8);
  EXPECT_EQ(lspet.flip_permutation()[8], 9);
}

TEST(Meta, UnknownNameGetsTheNearest) {
  try {
    static_cast<void>(skeleton_by_name("cocoo"));
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"coco\""), std::string::npos);
  }
  EXPECT_THROW(static_cast<void>(skeleton_by_name("absent.json")), FileError);
}

}  // namespace
}  // namespace akimbo::datasets
