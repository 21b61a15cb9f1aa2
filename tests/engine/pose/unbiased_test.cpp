// DARK and UDP: encoding and decoding beyond the published code of the baselines.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/pose/heatmap_codec.h"
#include "engine/pose/heatmap_decode.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

HeatmapCodec subpixel_codec(bool udp) {
  HeatmapCodec codec;
  codec.subpixel_targets = true;
  codec.udp = udp;
  return codec;
}

// The target of one keypoint at a place in heatmap cells, [1, h, w, 1].
Tensor target_at(const HeatmapCodec& codec, double x, double y) {
  Tensor map = Tensor::zeros({1, codec.heatmap_size.height, codec.heatmap_size.width, 1});
  const Point joint{x * codec.stride_x(), y * codec.stride_y()};
  float weight = 1;
  encode_heatmaps(codec, {&joint, 1}, {&weight, 1},
                  {map.data<float>(), static_cast<std::size_t>(map.numel())});
  return map;
}

TEST(Dark, FindsTheMiddleOfAGaussianBetweenCells) {
  for (const double sigma : {2.0, 3.0}) {
    HeatmapCodec codec = subpixel_codec(false);
    codec.sigma = sigma;
    for (double dx = -0.5; dx <= 0.5; dx += 0.125) {
      for (double dy = -0.4; dy <= 0.5; dy += 0.3) {
        const Tensor map = target_at(codec, 20 + dx, 30 + dy);
        Tensor peaks = heatmap_argmax(map);
        refine_dark(map, peaks, sigma == 2.0 ? 11 : 17);
        EXPECT_NEAR(peaks.data<float>()[0], 20 + dx, 1e-3) << dx << " " << dy;
        EXPECT_NEAR(peaks.data<float>()[1], 30 + dy, 1e-3) << dx << " " << dy;
      }
    }
  }
}

// log of exp(-(x - 2.3)^2 / 2 ...) by hand: a map whose logarithm is the quadratic itself.
TEST(Dark, OneNewtonStepByHand) {
  Tensor map = Tensor::zeros({1, 41, 41, 1});
  const auto value = [](double x, double y) {
    const double u = x - 20.3, v = y - 19.8;
    return std::exp(-(0.06 * u * u + 0.04 * v * v + 0.02 * u * v));
  };
  for (int y = 0; y < 41; ++y) {
    for (int x = 0; x < 41; ++x) {
      map.data<float>()[y * 41 + x] = static_cast<float>(value(x, y));
    }
  }
  Tensor peaks = heatmap_argmax(map);
  refine_dark(map, peaks, 3);  // smoothing a Gaussian leaves its middle
  EXPECT_NEAR(peaks.data<float>()[0], 20.3, 1e-3);
  EXPECT_NEAR(peaks.data<float>()[1], 19.8, 1e-3);
  EXPECT_NEAR(peaks.data<float>()[2], 1, 0.01);  // the score stays the map's
}

TEST(Dark, PeaksAtTheBorderAndFlatMapsStay) {
  const HeatmapCodec codec = subpixel_codec(false);
  for (const auto& [x, y] : {std::pair{1.2, 30.0}, {46.3, 30.0}, {20.0, 1.4}, {20.0, 62.3}}) {
    const Tensor map = target_at(codec, x, y);
    Tensor peaks = heatmap_argmax(map);
    const float before = peaks.data<float>()[0];
    refine_dark(map, peaks);
    EXPECT_EQ(peaks.data<float>()[0], before);
  }
  const Tensor flat = Tensor::full({1, 9, 9, 1}, 0.5f);
  Tensor peaks = Tensor::from_values<float>({1, 1, 3}, std::vector<float>{4, 4, 0.5f});
  refine_dark(flat, peaks, 3);
  EXPECT_TRUE(std::isfinite(peaks.data<float>()[0]));
}

TEST(Dark, TakesTheQuarterOffsetsPlace) {
  const HeatmapCodec codec = subpixel_codec(false);
  const Tensor map = target_at(codec, 20.3, 30.2);
  const std::vector<Affine> same = {{1, 0, 0, 0, 1, 0}};
  const Tensor dark = decode_heatmaps(map, same, {.dark_kernel = 11});
  EXPECT_NEAR(dark.data<float>()[0], 20.3, 1e-3);
  const Tensor quarter = decode_heatmaps(map, same);
  EXPECT_EQ(quarter.data<float>()[0], 20.25f);
}

TEST(Dark, WrongArgumentsAreNamed) {
  const Tensor maps = Tensor::zeros({2, 8, 8, 3});
  Tensor peaks = Tensor::zeros({2, 3, 3});
  EXPECT_THROWS_WITH(refine_dark(maps, peaks, 4), ArgumentError, "odd kernel");
  Tensor few = Tensor::zeros({2, 2, 3});
  EXPECT_THROWS_WITH(refine_dark(maps, few), ArgumentError, "[N,K,3]");
}

TEST(SubpixelTargets, AreGaussiansAroundTheKeypointItself) {
  const Tensor map = target_at(subpixel_codec(false), 20.25, 30.5);
  const auto at = [&](int y, int x) { return map.data<float>()[y * 48 + x]; };
  EXPECT_NEAR(at(30, 20), std::exp(-(0.25 * 0.25 + 0.5 * 0.5) / 8), 1e-6);
  EXPECT_NEAR(at(31, 18), std::exp(-(2.25 * 2.25 + 0.5 * 0.5) / 8), 1e-6);
  EXPECT_EQ(at(31, 27), 0);  // the square is that of the nearest cell, (20, 31)
  EXPECT_GT(at(31, 26), 0);
}

// A region that is not of the network's aspect, so that width and height differ in scale.
CenterScale region() { return {{130.5, 150.25}, 0.9375, 1.25}; }

TEST(Udp, CropCornersLieOnTheRegionsCorners) {
  HeatmapCodec codec;
  codec.udp = true;
  const Affine m = codec.image_to_crop(region());
  const Point low = transform(m, {130.5 - 93.75, 150.25 - 125});
  const Point high = transform(m, {130.5 + 93.75, 150.25 + 125});
  EXPECT_NEAR(low.x, 0, 1e-9);
  EXPECT_NEAR(low.y, 0, 1e-9);
  EXPECT_NEAR(high.x, 191, 1e-9);
  EXPECT_NEAR(high.y, 255, 1e-9);
  // A quarter turn takes the place right of the middle above it (counter-clockwise), as
  // crop_affine.
  const Point turned = transform(codec.image_to_crop(region(), 90), {140.5, 150.25});
  const Point published = transform(crop_affine(region(), 90, codec.input_size), {140.5, 150.25});
  EXPECT_NEAR(turned.x, published.x, 1);
  EXPECT_NEAR(turned.y, published.y, 1);
  EXPECT_LT(turned.y, 120);
}

TEST(Udp, ThereAndBackIsTheIdentity) {
  HeatmapCodec codec;
  codec.udp = true;
  const Affine to_crop = codec.image_to_crop(region());
  const Affine to_image = codec.heatmap_to_image(region());
  for (const Point image : {Point{100, 80}, Point{150.3, 210.7}, Point{36.75, 25.25}}) {
    const Point crop = transform(to_crop, image);
    const Point back = transform(to_image, {crop.x / codec.stride_x(), crop.y / codec.stride_y()});
    EXPECT_NEAR(back.x, image.x, 1e-9);
    EXPECT_NEAR(back.y, image.y, 1e-9);
  }
  // The published way is off by a part of a pixel only through f32.
  const HeatmapCodec published;
  const Point crop = transform(published.image_to_crop(region()), {100, 80});
  const Point back = transform(published.heatmap_to_image(region()), {crop.x / 4, crop.y / 4});
  EXPECT_NEAR(back.x, 100, 1e-3);
}

// The whole way of a keypoint, with targets in place of a network: image to crop to map to image.
TEST(Udp, WithDarkAKeypointComesBackExactly) {
  const HeatmapCodec codec = subpixel_codec(true);
  for (const Point image : {Point{120.4, 140.9}, Point{133.3, 180.6}, Point{101.7, 99.2}}) {
    const Point crop = transform(codec.image_to_crop(region()), image);
    const Tensor map = target_at(codec, crop.x / codec.stride_x(), crop.y / codec.stride_y());
    const std::vector<Affine> matrices = {codec.heatmap_to_image(region())};
    const Tensor found = decode_heatmaps(map, matrices, {.dark_kernel = 11});
    EXPECT_NEAR(found.data<float>()[0], image.x, 5e-3);  // 1e-3 cells of 4 px
    EXPECT_NEAR(found.data<float>()[1], image.y, 5e-3);
  }
}

// The mirrored crop's map, turned back, lies exactly on the map: no shift is needed.
TEST(Udp, MirroringIsExact) {
  const HeatmapCodec codec = subpixel_codec(true);
  const double x = 77.3, y = 140;  // crop
  const Tensor map = target_at(codec, x / codec.stride_x(), y / codec.stride_y());
  const Tensor mirrored = target_at(codec, (191 - x) / codec.stride_x(), y / codec.stride_y());
  const std::vector<int> same = {0};
  const Tensor back = unflip_heatmaps(mirrored, same, false);
  for (std::int64_t i = 0; i < map.numel(); ++i) {
    ASSERT_NEAR(back.data<float>()[i], map.data<float>()[i], 1e-6);
  }
}

TEST(Udp, SidesOfOnePixelAreRefused) {
  HeatmapCodec codec;
  codec.udp = true;
  codec.heatmap_size = {1, 64};
  EXPECT_THROW(codec.check("test"), ArgumentError);
}

}  // namespace
}  // namespace akimbo
