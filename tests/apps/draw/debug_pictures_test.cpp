#include "apps/draw/debug_pictures.h"

#include <gtest/gtest.h>

#include "datasets/readers/image_file.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/checksum.h"
#include "tests/support/golden.h"
#include "tests/support/program.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::draw {
namespace {

using test_support::golden_input;

constexpr const char* kReference = "data/golden/topdown/debug_pictures.json";

Tensor crops() { return golden_input("debug_input", {3, 3, 32, 24}); }
Tensor maps() { return golden_input("debug_heatmaps", {3, 3, 8, 6}); }

Tensor joints() {
  Tensor t = Tensor::zeros({3, 3, 2});
  float* p = t.data<float>();
  for (int b = 0; b < 3; ++b) {
    for (int j = 0; j < 3; ++j) {
      *p++ = static_cast<float>(5 + 3 * j + b);
      *p++ = 8.6f + 4.0f * static_cast<float>(j);
    }
  }
  return t;
}

Tensor visible() {
  Tensor t = Tensor::full({3, 3}, 1);
  t.data<float>()[4] = 0;
  return t;
}

void expect_picture(const Image& image, const Json& wanted) {
  EXPECT_EQ(Json({image.height, image.width, image.channels}), wanted.at("shape"));
  EXPECT_EQ(test_support::crc32(image.pixels.data(), image.pixels.size()),
            wanted.at("crc32").get<std::uint32_t>());
}

TEST(DebugPictures, EqualTheReferencesByteForByte) {
  const auto path = test_support::shared_path(kReference);
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json wanted = io::read_json(*path);
  expect_picture(joints_picture(crops(), joints(), visible()), wanted.at("joints_picture"));
  expect_picture(joints_picture(crops().rows(0, 1), joints().rows(0, 1), visible().rows(0, 1)),
                 wanted.at("joints_picture_batch_of_one"));
  expect_picture(heatmap_picture(crops(), maps()), wanted.at("heatmap_picture"));
}

// The same checksums, for machines without the shared data.
TEST(DebugPictures, HaveTheReferencesChecksums) {
  const auto crc = [](const Image& image) {
    return test_support::crc32(image.pixels.data(), image.pixels.size());
  };
  EXPECT_EQ(crc(joints_picture(crops(), joints(), visible())), 1257121165u);
  EXPECT_EQ(crc(heatmap_picture(crops(), maps())), 1577904165u);
}

TEST(DebugPictures, FilesShowTheColoursOfEitherChannelOrder) {
  const testing_support::ScratchFolder folder;
  DebugBatch batch{.input = Tensor::zeros({2, 64, 48, 3}),
                   .joints_crop = Tensor::full({2, 3, 2}, 40),
                   .visible = Tensor::full({2, 3}, 1),
                   .target = Tensor::zeros({2, 16, 12, 3}),
                   .output = Tensor::zeros({2, 16, 12, 3})};
  float* p = batch.input.data<float>();
  for (std::int64_t i = 0; i < batch.input.numel(); i += 3) p[i] = 1;  // red
  write_debug_pictures(folder.path(), "rgb", batch);
  batch.is_rgb = false;
  write_debug_pictures(folder.path(), "bgr", batch);
  for (const char* kind : {"gt", "pred", "hm_gt", "hm_pred"}) {
    EXPECT_FALSE(read_image(folder.path() / (std::string("rgb_") + kind + ".jpg")).empty());
  }
  const Image rgb = read_image(folder.path() / "rgb_gt.jpg");
  const Image bgr = read_image(folder.path() / "bgr_gt.jpg");
  const auto is_mostly = [](const Image& image, int channel) {
    const std::uint8_t* p = image.row(16) + 3 * 12;
    return p[channel] > 200 && p[2 - channel] < 60;
  };
  EXPECT_TRUE(is_mostly(rgb, 0));
  EXPECT_TRUE(is_mostly(bgr, 2));
}

TEST(DebugPictures, WrongShapesAreNamed) {
  EXPECT_THROWS_WITH((void)joints_picture(crops(), joints(), Tensor::zeros({3, 2})), ArgumentError,
                     "[N,K,2]");
  EXPECT_THROWS_WITH((void)heatmap_picture(crops(), maps().rows(0, 2)), ArgumentError, "3 crops");
}

}  // namespace
}  // namespace akimbo::draw
