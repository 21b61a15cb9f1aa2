#include "engine/pose/crop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/io/json.h"
#include "kernels/cpu/simd_target.h"
#include "kernels/warp.h"
#include "tests/support/checksum.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

// Pixel (x, y, c) of the pictures of the reference files.
Image formula_image(int width, int height, int channels) {
  Image image(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.row(y)[x * channels + c] =
            static_cast<std::uint8_t>((7 * x + 13 * y + 31 * c + x * y) & 255);
      }
    }
  }
  return image;
}

Image noise_image(int width, int height, int channels, std::uint64_t seed) {
  Image image(height, width, channels);
  RandomStream random(seed);
  for (std::uint8_t& p : image.pixels) p = static_cast<std::uint8_t>(random.bits());
  return image;
}

Image mirrored(const Image& image) {
  Image result(image.height, image.width, image.channels);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < image.channels; ++c) {
        result.row(y)[x * image.channels + c] =
            image.row(y)[(image.width - 1 - x) * image.channels + c];
      }
    }
  }
  return result;
}

std::vector<float> crop_of(const Image& image, const Affine& m, const CropOptions& options,
                           bool mirror = false) {
  const Cropper cropper(options);
  std::vector<float> slot(cropper.slot_size());
  cropper.crop(image, m, mirror, slot);
  return slot;
}

TEST(Crop, BordersCountAsBlackNeighbourByNeighbour) {
  Image row(1, 2, 1);
  row.pixels = {200, 100};
  const Image out = warp_affine(row, {1, 0, 0.5, 0, 1, 0}, {4, 2});
  EXPECT_EQ(out.pixels, (std::vector<std::uint8_t>{100, 150, 50, 0, 0, 0, 0, 0}));
}

TEST(Crop, PositionsLieOnTheGridOfTheRule) {
  Image ramp(5, 5, 1);
  for (int i = 0; i < 25; ++i) ramp.pixels[i] = static_cast<std::uint8_t>(60 * (i % 5));
  const Image exact = warp_affine(ramp, {0.75, 0, 0, 0, 0.75, 0}, {6, 1});
  EXPECT_EQ(exact.pixels, (std::vector<std::uint8_t>{0, 81, 159, 240, 0, 0}));
  const Image fast = warp_affine(ramp, {0.75, 0, 0, 0, 0.75, 0}, {6, 1}, WarpMode::fast);
  EXPECT_EQ(fast.pixels, (std::vector<std::uint8_t>{0, 80, 160, 240, 0, 0}));
}

TEST(Crop, RoundingFollowsTheRule) {
  Image ramp(16, 16, 1);
  for (int i = 0; i < 256; ++i)
    ramp.pixels[i] = static_cast<std::uint8_t>(10 * (i % 16) + 3 * (i / 16));
  const Affine m = crop_affine({{8, 8}, 0.05f, 0.05f}, 0, {8, 8});
  const Image out = warp_affine(ramp, m, {8, 8});
  const std::uint8_t row[] = {39, 52, 64, 77, 89, 102, 114, 127};
  const std::uint8_t column[] = {39, 43, 47, 50, 54, 58, 62, 65};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(out.row(0)[i], row[i]);
    EXPECT_EQ(out.row(i)[0], column[i]);
  }
}

TEST(Crop, NormalisesInThreeRoundings) {
  Image pair(1, 2, 3);
  pair.pixels = {0, 0, 0, 255, 255, 255};
  const auto slot = crop_of(pair, {1, 0, 0, 0, 1, 0}, {.output = {2, 1}});
  const float wanted[] = {-2.11790f, -2.03571f, -1.80444f, 2.24891f, 2.42857f, 2.64f};
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(slot[i], wanted[i], 1e-5);
}

TEST(Crop, ChannelOrderSwapsRedAndBlueBeforeNormalising) {
  Image pixel(1, 1, 3);
  pixel.pixels = {10, 20, 30};
  const auto rgb =
      crop_of(pixel, {1, 0, 0, 0, 1, 0}, {.output = {1, 1}, .order = ChannelOrder::rgb});
  const auto bgr =
      crop_of(pixel, {1, 0, 0, 0, 1, 0}, {.output = {1, 1}, .order = ChannelOrder::bgr});
  EXPECT_EQ(rgb[0], (10 / 255.0f - 0.485f) / 0.229f);
  EXPECT_EQ(bgr[0], (30 / 255.0f - 0.485f) / 0.229f);
  EXPECT_EQ(rgb[1], bgr[1]);
}

TEST(Crop, MirrorEqualsTheMirroredPicture) {
  const Image image = noise_image(37, 29, 3, 1);
  const Affine m = crop_affine({{17, 12}, 0.11f, 0.15f}, 23, {31, 41});
  for (const WarpMode mode : {WarpMode::opencv, WarpMode::fast}) {
    EXPECT_EQ(warp_affine(image, m, {31, 41}, mode, true).pixels,
              warp_affine(mirrored(image), m, {31, 41}, mode).pixels);
    const CropOptions options{.output = {31, 41}, .mode = mode};
    EXPECT_EQ(crop_of(image, m, options, true), crop_of(mirrored(image), m, options));
  }
}

struct Outputs {
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;  // empty unless the picture has three channels
  friend bool operator==(const Outputs&, const Outputs&) = default;
};

Outputs run(const Image& image, const kernels::CropParams& params, Size2 out, bool plain) {
  const kernels::Exec exec;
  const kernels::ConstView x{image.pixels.data(), DType::u8,
                             Shape{image.height, image.width, image.channels}};
  Outputs result;
  result.bytes.resize(static_cast<std::size_t>(out.width) * out.height * image.channels);
  const kernels::View y{result.bytes.data(), DType::u8,
                        Shape{out.height, out.width, image.channels}};
  (plain ? kernels::cpu::warp_forward_plain : kernels::cpu::warp_forward)(exec, x, params.warp, y);
  if (image.channels != 3) return result;
  result.floats.resize(result.bytes.size());
  const kernels::View z{result.floats.data(), DType::f32, Shape{out.height, out.width, 3}};
  (plain ? kernels::cpu::crop_forward_plain : kernels::cpu::crop_forward)(exec, x, params, z);
  return result;
}

// The fast path against the plain rule with every instruction set, over sizes around the vector
// widths and crops that lie inside, across the border and outside.
TEST(Crop, FastPathEqualsThePlainRule) {
  std::vector<float> table(768);
  for (std::size_t i = 0; i < 768; ++i) table[i] = static_cast<float>(i) * 0.37f - 50;
  for (const std::string& target : kernels::cpu::simd_targets()) {
    kernels::cpu::use_simd_target(target);
    RandomStream random(7);
    for (int trial = 0; trial < 60; ++trial) {
      const int width = 1 + static_cast<int>(random.below(trial % 3 == 0 ? 4 : 90));
      const int height = 1 + static_cast<int>(random.below(trial % 5 == 0 ? 3 : 70));
      const int channels = trial % 7 == 0 ? 1 + static_cast<int>(random.below(4)) : 3;
      // One output is wider than a piece of a row.
      const Size2 out{trial == 1 ? 300 : 1 + static_cast<int>(random.below(70)),
                      1 + static_cast<int>(random.below(20))};
      const Image image = noise_image(width, height, channels, 100 + trial);
      const CenterScale region{
          {random.uniform(-10, width + 10.0), random.uniform(-10, height + 10.0)},
          static_cast<float>(random.uniform(0.01, 0.8)),
          0.1f};
      kernels::CropParams params{.table = table.data(), .swap_red_blue = trial % 2 == 0};
      params.warp.matrix = crop_affine(region, random.uniform(-180, 180), out);
      params.warp.mirror = random.chance(0.5);
      params.scale = {0.5f, 0.25f, 0.01f};
      params.shift = {-3, 2, 1};
      for (const auto rule : {kernels::WarpRule::exact, kernels::WarpRule::fast}) {
        params.warp.rule = rule;
        EXPECT_TRUE(run(image, params, out, false) == run(image, params, out, true))
            << target << " trial " << trial;
      }
    }
  }
  kernels::cpu::use_simd_target("");
}

TEST(Crop, FastModeStaysWithinAGreyLevelOrTwo) {
  Image smooth(60, 80, 3);
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 240; ++x) smooth.row(y)[x] = static_cast<std::uint8_t>(x + 0.3 * y);
  }
  const Affine m = crop_affine({{40, 30}, 0.2f, 0.2f}, 12, {64, 64});
  const auto exact = crop_of(smooth, m, {.output = {64, 64}});
  const auto fast = crop_of(smooth, m, {.output = {64, 64}, .mode = WarpMode::fast});
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_NEAR(exact[i], fast[i], 1.5f / 255 / 0.224f) << i;
  }
}

TEST(Crop, ReducedPictureMapsToTheSamePlace) {
  const Affine full = crop_affine({{300, 200}, 4, 5}, 20, {192, 256});
  const Affine reduced = affine_for_reduced(full, 4);
  const Point a = transform(full, {4 * 10 + 1.5, 4 * 20 + 1.5});
  const Point b = transform(reduced, {10, 20});
  EXPECT_NEAR(a.x, b.x, 1e-9);
  EXPECT_NEAR(a.y, b.y, 1e-9);
  const Point c = transform(full, {640 - 1 - (4 * 10 + 1.5), 4 * 20 + 1.5});
  const Point d = transform(affine_for_reduced(full, 4, 640), {10, 20});
  EXPECT_NEAR(c.x, d.x, 1e-9);
  EXPECT_NEAR(c.y, d.y, 1e-9);
  EXPECT_EQ(reduction_for(full), 4);  // 192 / 800
  EXPECT_EQ(reduction_for(crop_affine({{1, 1}, 1, 1}, 0, {192, 256})), 1);
}

TEST(Crop, RefusesWhatItCannotCompute) {
  const Image image = noise_image(4, 4, 3, 3);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW((void)warp_affine(Image(), {1, 0, 0, 0, 1, 0}, {4, 4}), ArgumentError);
  EXPECT_THROW((void)warp_affine(image, {nan, 0, 0, 0, 1, 0}, {4, 4}), ArgumentError);
  EXPECT_THROW((void)warp_affine(image, {1, 0, 0, 0, 1, 0}, {0, 4}), ArgumentError);
  EXPECT_THROW(Cropper({.deviation = {1, 0, 1}}), ArgumentError);
  std::vector<float> small(5);
  EXPECT_THROW(Cropper({}).crop(image, {1, 0, 0, 0, 1, 0}, false, small), ArgumentError);
  EXPECT_THROW((void)parse_warp_mode("cv"), ConfigError);
  EXPECT_EQ(parse_channel_order("rgb"), ChannelOrder::rgb);
  // Huge, singular and denormal maps end in some picture, not in undefined arithmetic.
  for (const double v : {1e300, 1e-300, 0.0}) {
    EXPECT_EQ(warp_affine(image, {v, 0, v, 0, v, -v}, {5, 3}).pixels.size(), 45u);
  }
}

TEST(Crop, WarpsEqualTheReferenceBitForBit) {
  const auto path = test_support::shared_path("data/golden/topdown/affine_warp.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  ASSERT_GT(golden["warps"].size(), 20u);
  for (const Json& c : golden["warps"]) {
    const Image source = formula_image(c["source"][0], c["source"][1], c["source"][2]);
    EXPECT_EQ(test_support::crc32(source.pixels.data(), source.pixels.size()),
              c["source_crc32"].get<std::uint32_t>());
    Affine m{};
    for (std::size_t i = 0; i < 6; ++i) m[i] = c["matrix"][i / 3][i % 3];
    const Image out = warp_affine(source, m, {c["size"][0], c["size"][1]});
    EXPECT_EQ(test_support::crc32(out.pixels.data(), out.pixels.size()),
              c["crc32"].get<std::uint32_t>())
        << c["name"];
  }
}

TEST(Crop, NormalisationEqualsTheReferenceBitForBit) {
  const auto path = test_support::shared_path("data/golden/topdown/affine_warp.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  Image values(1, 256, 3);
  for (int i = 0; i < 768; ++i) values.pixels[i] = static_cast<std::uint8_t>(i / 3);
  const auto slot = crop_of(values, {1, 0, 0, 0, 1, 0}, {.output = {256, 1}});
  std::vector<float> table(768);
  for (std::size_t i = 0; i < 768; ++i) table[i] = slot[(i % 256) * 3 + i / 256];
  EXPECT_EQ(test_support::crc32(table.data(), 768 * 4),
            golden["normalise"]["crc32"].get<std::uint32_t>());
}

}  // namespace
}  // namespace akimbo
