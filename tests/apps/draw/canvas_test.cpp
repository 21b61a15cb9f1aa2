#include "apps/draw/canvas.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "tests/support/throws.h"

namespace akimbo::draw {
namespace {

constexpr Paint kWhite{{255, 255, 255}, 1};

int red(const Image& image, int x, int y) { return image.row(y)[3 * x]; }

double brightness(const Image& image) {
  double sum = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) sum += image.pixels[i] / 255.0;
  return sum;
}

TEST(Canvas, LineCoversItsPixelsAndFadesAtTheEdge) {
  Image image(9, 20, 3);
  draw_line(image, {3, 4}, {15, 4}, 2, kWhite);
  EXPECT_EQ(red(image, 9, 4), 255);
  EXPECT_EQ(red(image, 9, 3), 128);  // half covered
  EXPECT_EQ(red(image, 9, 2), 0);
  EXPECT_EQ(red(image, 18, 4), 0);
}

TEST(Canvas, AreasAreThoseOfTheShapes) {
  Image disc(41, 41, 3), ring(41, 41, 3), box(41, 41, 3);
  draw_disc(disc, {20.3, 19.6}, 12.5, kWhite);
  EXPECT_NEAR(brightness(disc), M_PI * 12.5 * 12.5, 2);
  draw_circle(ring, {20, 20}, 12, 3, kWhite);
  EXPECT_NEAR(brightness(ring), 2 * M_PI * 12 * 3, 2);
  fill_box(box, {4.5, 5.5, 20, 11}, kWhite);
  EXPECT_NEAR(brightness(box), 220, 0.5);
}

TEST(Canvas, AlphaBlends) {
  Image image(3, 3, 3);
  fill_box(image, {-1, -1, 5, 5}, {{200, 100, 50}, 0.5});
  EXPECT_EQ(red(image, 1, 1), 100);
  EXPECT_EQ(image.row(1)[3 + 1], 50);
  EXPECT_EQ(image.row(1)[3 + 2], 25);
}

TEST(Canvas, ShapesOutsideAndNowhereAreHarmless) {
  Image image(5, 5, 3);
  draw_line(image, {-1e9, -5}, {-3, 1e12}, 3, kWhite);
  draw_disc(image, {std::nan(""), 2}, 3, kWhite);
  draw_box(image, {INFINITY, 0, 3, 3}, 1, kWhite);
  draw_text(image, {-40, -40}, "far", 2, kWhite);
  EXPECT_EQ(brightness(image), 0);
  draw_box(image, {-2, -2, 9, 9}, 1, kWhite);  // all around the picture
  EXPECT_EQ(brightness(image), 0);
}

TEST(Canvas, BoxIsAnOutline) {
  Image image(20, 20, 3);
  draw_box(image, {4, 5, 10, 8}, 1, kWhite);
  EXPECT_EQ(red(image, 9, 5), 255);
  EXPECT_EQ(red(image, 4, 9), 255);
  EXPECT_EQ(red(image, 14, 13), 255);
  EXPECT_EQ(red(image, 9, 9), 0);
  EXPECT_EQ(red(image, 2, 5), 0);
}

TEST(Canvas, TextIsSharpAndScales) {
  Image small(9, 8, 3), large(18, 16, 3);
  draw_text(small, {1, 1}, "1", 1, kWhite);
  EXPECT_EQ(red(small, 3, 1), 255);  // the top of the stem
  EXPECT_EQ(red(small, 1, 1), 0);
  EXPECT_EQ(brightness(small), 10);
  draw_text(large, {2, 2}, "1", 2, kWhite);
  EXPECT_EQ(brightness(large), 40);
  EXPECT_EQ(text_width("0.87", 2), 46);
  EXPECT_EQ(text_width("", 2), 0);
}

TEST(Canvas, SmallLettersAreDrawnAsCapitalsAndUnknownOnesAsBoxes) {
  Image a(9, 8, 3), b(9, 8, 3), unknown(9, 8, 3);
  draw_text(a, {1, 1}, "k", 1, kWhite);
  draw_text(b, {1, 1}, "K", 1, kWhite);
  draw_text(unknown, {1, 1}, "\xe9", 1, kWhite);
  EXPECT_EQ(a.pixels, b.pixels);
  EXPECT_EQ(brightness(unknown), 20);
}

TEST(Canvas, TagIsMovedInside) {
  Image image(30, 60, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{100});
  draw_tag(image, {55, -20}, "0.5", 1, {255, 255, 0});
  int num_letters = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) num_letters += image.pixels[i] == 255;
  EXPECT_EQ(num_letters, 19 + 4 + 17);
}

TEST(Canvas, JetRunsFromBlueToRed) {
  EXPECT_EQ(jet(0), (Colour{0, 0, 128}));
  EXPECT_EQ(jet(31), (Colour{0, 0, 252}));
  EXPECT_EQ(jet(64), (Colour{0, 128, 255}));
  EXPECT_EQ(jet(128), (Colour{130, 255, 126}));
  EXPECT_EQ(jet(159), (Colour{254, 255, 1}));
  EXPECT_EQ(jet(255), (Colour{128, 0, 0}));
}

TEST(Canvas, HeatmapCoversWhereItIsHigh) {
  Image image(40, 30, 3);
  std::vector<float> map(12, 0.0f);
  map[1 * 3 + 2] = 1;  // row 1 of 4, column 2 of 3: centred at (24.5, 14.5)
  map[0] = std::nanf("");
  overlay_heatmap(image, map, 4, 3, 1.0);
  EXPECT_GT(red(image, 25, 15), 120);
  EXPECT_EQ(red(image, 5, 35), 0);
  EXPECT_EQ(red(image, 0, 0), 0);
  EXPECT_THROWS_WITH(overlay_heatmap(image, map, 4, 4, 1), ArgumentError, "12 values");
}

TEST(Canvas, TilesCentreSmallerPictures) {
  Image a(4, 6, 3), b(2, 2, 1);
  std::fill(a.pixels.begin(), a.pixels.end(), std::uint8_t{50});
  std::fill(b.pixels.begin(), b.pixels.end(), std::uint8_t{80});
  const Image sheet = tile({a, b, a}, 2, 1, {9, 9, 9});
  EXPECT_EQ(sheet.height, 11);
  EXPECT_EQ(sheet.width, 15);
  EXPECT_EQ(red(sheet, 0, 0), 9);
  EXPECT_EQ(red(sheet, 1, 1), 50);
  EXPECT_EQ(red(sheet, 8, 1), 9);
  EXPECT_EQ(red(sheet, 10, 2), 80);
  EXPECT_EQ(red(sheet, 10, 7), 9);
  EXPECT_TRUE(tile({}, 3, 1, {}).empty());
}

TEST(Canvas, WrongChannelsAreNamed) {
  Image grey(4, 4, 1);
  EXPECT_THROWS_WITH(draw_disc(grey, {1, 1}, 1, kWhite), ArgumentError, "1 channels");
}

}  // namespace
}  // namespace akimbo::draw
