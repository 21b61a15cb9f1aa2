// Packed crops give the bits of Cropper. Here on the CPU; tests/apps/device/batch_feed_test.cpp has
// the GPU.
#include "engine/pose/device_crop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "engine/core/random.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

Image noise_image(int width, int height, std::uint64_t seed) {
  Image image(height, width, 3);
  RandomStream random(seed);
  for (std::uint8_t& p : image.pixels) p = static_cast<std::uint8_t>(random.bits());
  return image;
}

struct Asked {
  Image image;
  Affine affine;
  bool mirror;
};

std::vector<float> cut_at_once(const Cropper& cropper, const std::vector<Asked>& all) {
  std::vector<float> rows(all.size() * cropper.slot_size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    cropper.crop(all[i].image, all[i].affine, all[i].mirror,
                 std::span(rows).subspan(i * cropper.slot_size(), cropper.slot_size()));
  }
  return rows;
}

void pack(PackedCrops& packed, const std::vector<Asked>& all) {
  for (std::size_t i = all.size(); i-- > 0;) {  // in any order
    packed.pack(static_cast<std::int64_t>(i), all[i].image, all[i].affine, all[i].mirror);
  }
}

class DeviceCrop : public testing::TestWithParam<WarpMode> {
 protected:
  DeviceCrop() : cropper_({.output = {18, 24}, .mode = GetParam()}) {}

  void expect_same(const std::vector<Asked>& all, std::int64_t num_cut_here) const {
    PackedCrops packed(cropper_, static_cast<std::int64_t>(all.size()));
    pack(packed, all);
    EXPECT_EQ(packed.num_cut_here(), num_cut_here);
    const Tensor batch = DeviceCropper(cropper_, kCpu).cut(packed);
    const std::vector<float> wanted = cut_at_once(cropper_, all);
    const auto got = batch.values<float>();
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(got[i], wanted[i]) << "crop " << i / cropper_.slot_size() << " element " << i;
    }
  }
  Cropper cropper_;
};
INSTANTIATE_TEST_SUITE_P(Modes, DeviceCrop, testing::Values(WarpMode::opencv, WarpMode::fast),
                         [](const auto& info) {
                           return info.param == WarpMode::opencv ? "opencv" : "fast";
                         });

// Regions of all sizes, turns and places, many of them partly or wholly outside the picture.
TEST_P(DeviceCrop, EqualsTheCropOfTheWholePicture) {
  RandomStream random(1);
  std::vector<Asked> all;
  std::int64_t num_outside = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const int width = 1 + static_cast<int>(random.below(69));
    const int height = 1 + static_cast<int>(random.below(49));
    const double side = random.uniform(2, 60) / kPixelStd;
    CenterScale region{{random.uniform(-40, 110), random.uniform(-40, 90)}, side, side * 4 / 3};
    region.round();
    num_outside += region.center.x < 0 || region.center.x > width;
    const double turn = i % 3 == 0 ? 0 : random.uniform(-180, 180);
    all.push_back(
        {noise_image(width, height, i), crop_affine(region, turn, {18, 24}), random.chance(0.5)});
  }
  EXPECT_GT(num_outside, 20);
  expect_same(all, 0);  // a share holds the largest of these pictures, 69x49
}

// A share is 8 bytes per element of a crop: 10368 bytes here, 3456 pixels.
TEST_P(DeviceCrop, WhatIsLargerThanItsShareIsCutAtOnce) {
  std::vector<Asked> all;
  for (int i = 0; i < 7; ++i) {
    const double side = i % 3 == 1 ? 300 : i % 3 == 2 ? 40 : 30;  // 30 fits, 40 does not
    const CenterScale region{{90.0 + 5 * i, 70}, side / kPixelStd, side / kPixelStd};
    all.push_back({noise_image(200, 160, static_cast<std::uint64_t>(i)),
                   crop_affine(region, 30, {18, 24}), i % 2 == 1});
  }
  expect_same(all, 4);
}

TEST_P(DeviceCrop, MatricesFarFromAnyPicture) {
  const Image image = noise_image(20, 16, 3);
  std::vector<Asked> all;
  for (const Affine& affine :
       {Affine{1, 0, 1e7, 0, 1, -1e7}, Affine{1, 2, 3, 2, 4, 6}, Affine{1e-6, 0, 0, 0, 1e-6, 0},
        Affine{1e9, 0, 0, 0, 1e9, 0}, Affine{-0.01, 0, 9e3, 0, 0.01, -9e3}}) {
    for (const bool mirror : {false, true}) all.push_back({image, affine, mirror});
  }
  expect_same(all, 0);
}

TEST_P(DeviceCrop, PacksOnlyWhatIsRead) {
  const CenterScale region{{500, 400}, 16 / kPixelStd, 20 / kPixelStd};
  PackedCrops packed(cropper_, 1);
  packed.pack(0, noise_image(1000, 800, 1), crop_affine(region, 0, {18, 24}), false);
  // 16 by 21.3 pixels and up to 4 more along each axis, in steps of 64 bytes.
  EXPECT_LE(packed.used_bytes(), std::size_t{20 * 26 * 3 + 64});
  EXPECT_GE(packed.used_bytes(), std::size_t{16 * 21 * 3});
}

TEST_P(DeviceCrop, NoCropsAreAnEmptyBatch) {
  const PackedCrops packed(cropper_, 0);
  EXPECT_EQ(DeviceCropper(cropper_, kCpu).cut(packed).shape(), (Shape{0, 24, 18, 3}));
}

TEST_P(DeviceCrop, RefusesWhatTheCropperRefuses) {
  PackedCrops packed(cropper_, 1);
  const Affine plain{1, 0, 0, 0, 1, 0};
  Affine broken = plain;
  broken[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROWS_WITH(packed.pack(0, noise_image(4, 4, 1), broken, false), ArgumentError,
                     "NaN or infinity");
  EXPECT_THROWS_WITH(packed.pack(0, Image(4, 4, 1), plain, false), ArgumentError, "1 channels");
  EXPECT_THROWS_WITH(packed.pack(0, Image(), plain, false), ArgumentError, "at least one pixel");
}

}  // namespace
}  // namespace akimbo
