#include "datasets/readers/rle.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::datasets {
namespace {

using Counts = std::vector<std::uint32_t>;

TEST(Rle, RectangleThroughEveryForm) {
  const std::vector<double> rectangle = {1, 1, 5, 1, 5, 4, 1, 4};
  const RleMask mask = rle_from_polygon(rectangle, 6, 8);
  EXPECT_EQ(mask.counts, (Counts{7, 3, 3, 3, 3, 3, 3, 3, 20}));
  EXPECT_EQ(rle_string(mask.counts), "73300000a0");
  EXPECT_EQ(rle_counts_from_string("73300000a0"), mask.counts);
  EXPECT_EQ(rle_area(mask.counts), 12u);
  EXPECT_EQ(rle_box(mask), (std::array<double, 4>{1, 1, 4, 3}));
  EXPECT_EQ(rle_from_bitmap(rle_bitmap(mask), 6, 8), mask);
}

TEST(Rle, LongRunsAndEscapedCharacters) {
  const Counts counts = {5, 100000, 31, 32, 15, 16, 17, 899784};
  EXPECT_EQ(rle_string(counts), "5PeQ3o0P\\nL@@2he^k0");
  EXPECT_EQ(rle_counts_from_string(rle_string(counts)), counts);
}

TEST(Rle, OverlapOfMasksAndBoxes) {
  const RleMask a{6, 8, rle_counts_from_string("73300000a0")};
  const RleMask b{6, 8, rle_counts_from_string("d033000004")};
  EXPECT_DOUBLE_EQ(rle_iou(a, b), 0.2);
  EXPECT_DOUBLE_EQ(rle_iou(a, b, true), 4.0 / 12.0);
  EXPECT_EQ(rle_iou(a, RleMask{6, 8, {48}}), 0.0);
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {5, 5, 10, 10}), 25.0 / 175.0);
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {0, 0, 20, 20}, true), 1.0);
  EXPECT_EQ(box_iou({0, 0, 1, 1}, {1, 0, 1, 1}), 0.0);
  const RleMask both = rle_union(std::vector<RleMask>{a, b});
  EXPECT_EQ(rle_area(both.counts), 20u);
}

TEST(Rle, EmptyAndFullMasks) {
  const std::vector<std::uint8_t> zeros(6, 0), ones(6, 1);
  EXPECT_EQ(rle_from_bitmap(zeros, 2, 3).counts, (Counts{6}));
  EXPECT_EQ(rle_from_bitmap(ones, 2, 3).counts, (Counts{0, 6}));
  EXPECT_EQ(rle_box(rle_from_bitmap(zeros, 2, 3)), (std::array<double, 4>{0, 0, 0, 0}));
  EXPECT_EQ(rle_box(rle_from_bitmap(ones, 2, 3)), (std::array<double, 4>{0, 0, 3, 2}));
}

TEST(Rle, BadInputIsRefused) {
  EXPECT_THROW(static_cast<void>(rle_counts_from_string("7P")), FileError);
  EXPECT_THROW(static_cast<void>(rle_counts_from_string(" 7")), FileError);
  EXPECT_THROW(static_cast<void>(rle_counts_from_string("oooooooooooo0")), FileError);
  EXPECT_THROW(static_cast<void>(rle_counts_from_string("O")), FileError);  // run of -1
  EXPECT_THROW(static_cast<void>(rle_bitmap({2, 3, {7}})), FileError);
  EXPECT_THROW(static_cast<void>(rle_from_polygon(std::vector<double>{1, 2, 3}, 4, 4)),
               ArgumentError);
  // Far outside: no memory is spent on the way there.
  const std::vector<double> huge = {-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300};
  EXPECT_EQ(rle_area(rle_from_polygon(huge, 4, 4).counts), 16u);
}

TEST(Rle, OfficialCases) {
  const auto path = test_support::shared_path("data/metrics/rle.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  EXPECT_EQ(golden["cases"].size(), 10u);
  for (const Json& entry : golden["cases"]) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const int height = entry["h"], width = entry["w"];
    RleMask mask{height, width, rle_counts_from_string(entry["merged_string"].get<std::string>())};
    EXPECT_EQ(mask.counts, entry["counts"].get<Counts>());
    EXPECT_EQ(rle_string(mask.counts), entry["merged_string"].get<std::string>());
    EXPECT_EQ(rle_area(mask.counts), entry["area"].get<std::uint64_t>());
    const std::array<double, 4> box = rle_box(mask);
    EXPECT_EQ(std::vector<double>(box.begin(), box.end()),
              test_support::flat_numbers(entry["bbox"]));
    if (entry.contains("polygons") && !entry["polygons"].empty()) {
      std::vector<RleMask> parts;
      for (std::size_t i = 0; i < entry["polygons"].size(); ++i) {
        const std::vector<double> xy = test_support::flat_numbers(entry["polygons"][i]);
        parts.push_back(rle_from_polygon(xy, height, width));
        EXPECT_EQ(rle_string(parts.back().counts), entry["part_strings"][i].get<std::string>());
      }
      EXPECT_EQ(rle_string(rle_union(parts).counts), entry["merged_string"].get<std::string>());
    }
    if (!entry.contains("rows")) continue;
    const std::vector<std::uint8_t> bitmap = rle_bitmap(mask);
    for (int y = 0; y < height; ++y) {
      std::string row;
      for (int x = 0; x < width; ++x)
        row += bitmap[static_cast<std::size_t>(y) * width + x] ? '1' : '0';
      EXPECT_EQ(row, entry["rows"][y].get<std::string>()) << y;
    }
  }
}

}  // namespace
}  // namespace akimbo::datasets
