#include "engine/pose/affine.h"

#include <gtest/gtest.h>

#include "engine/io/json.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

TEST(Affine, BoxGrowsOnItsShortSideAndIsPadded) {
  const CenterScale tall = box_to_center_scale({100, 50, 60, 200}, 192.0 / 256);
  EXPECT_EQ(tall.center.x, 130);
  EXPECT_EQ(tall.center.y, 150);
  EXPECT_EQ(tall.scale_x, 0.9375);
  EXPECT_EQ(tall.scale_y, 1.25);
  const CenterScale wide = box_to_center_scale({10, 20, 300, 100}, 192.0 / 256);
  EXPECT_EQ(wide.center.x, 160);
  EXPECT_EQ(wide.scale_x, 1.875);
  EXPECT_EQ(wide.scale_y, 2.5);
  // The mark of an absent box: no padding.
  EXPECT_EQ(box_to_center_scale({-31, 0, 60, 80}, 0.75).scale_x, 0.3f);
}

TEST(Affine, MapsTheCropToTheOutput) {
  const CenterScale region{{96, 128}, 1.2f, 1.6f};
  const Affine straight = crop_affine(region, 0, {192, 256});
  EXPECT_NEAR(straight[0], 0.8, 1e-6);
  EXPECT_NEAR(straight[2], 19.2, 1e-4);
  EXPECT_NEAR(straight[5], 25.6, 1e-4);
  const Affine quarter = crop_affine(region, 90, {192, 256});
  EXPECT_NEAR(quarter[1], 0.8, 1e-6);
  EXPECT_NEAR(quarter[3], -0.8, 1e-6);
  EXPECT_NEAR(quarter[5], 204.8, 1e-4);
  const Affine back = crop_affine(region, 0, {48, 64}, AffineDirection::crop_to_image);
  const Point image = transform(back, {10, 20});
  EXPECT_NEAR(image.x, 26, 1e-4);
  EXPECT_NEAR(image.y, 68, 1e-4);
}

TEST(Affine, InverseAndComposeUndoEachOther) {
  const Affine a = crop_affine({{40, 70}, 0.7f, 0.9f}, 33, {192, 256});
  const Affine identity = compose(inverse(a), a);
  const Affine wanted = {1, 0, 0, 0, 1, 0};
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(identity[i], wanted[i], 1e-9) << i;
  EXPECT_EQ(inverse({1, 2, 3, 2, 4, 6})[0], 0);
}

TEST(Affine, RegionWithoutExtentGivesZeros) {
  EXPECT_EQ(crop_affine({{5, 5}, 0, 0}, 0, {48, 64})[0], 0);
}

TEST(Affine, MatricesEqualTheReferenceBitForBit) {
  const auto path = test_support::shared_path("data/golden/topdown/affine_warp.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  ASSERT_GT(golden["matrices"].size(), 10u);
  for (const Json& c : golden["matrices"]) {
    const bool single = c["dtype"] == "f32";
    CenterScale region{{c["center"][0], c["center"][1]}, c["scale"][0], c["scale"][1], single};
    region.round();
    const auto direction =
        c["inverse"].get<bool>() ? AffineDirection::crop_to_image : AffineDirection::image_to_crop;
    const Affine m = crop_affine(region, c["rotation"], {c["size"][0], c["size"][1]}, direction);
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(m[i], c["matrix"][i / 3][i % 3].get<double>()) << c["center"] << " element " << i;
    }
    for (const Json& pair : c["points"]) {
      const Point mapped = transform(m, {pair[0][0], pair[0][1]});
      EXPECT_NEAR(mapped.x, pair[1][0].get<double>(), 1e-9);
      EXPECT_NEAR(mapped.y, pair[1][1].get<double>(), 1e-9);
    }
  }
}

TEST(Affine, BoxesEqualTheReference) {
  const auto path = test_support::shared_path("data/golden/topdown/data_first.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const Json& c : golden["box_to_center_scale"]) {
    const Json& b = c["box"];
    const double aspect = c["input"][0].get<double>() / c["input"][1].get<double>();
    const CenterScale region = box_to_center_scale({b[0], b[1], b[2], b[3]}, aspect);
    EXPECT_EQ(static_cast<float>(region.center.x), c["center"][0].get<float>()) << b;
    EXPECT_EQ(static_cast<float>(region.center.y), c["center"][1].get<float>()) << b;
    EXPECT_EQ(static_cast<float>(region.scale_x), c["scale"][0].get<float>()) << b;
    EXPECT_EQ(static_cast<float>(region.scale_y), c["scale"][1].get<float>()) << b;
  }
}

}  // namespace
}  // namespace akimbo
