#include "engine/pose/heatmap_decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

using test_support::RefLayout;

// One map [1, H, W, 1] with the listed cells set.
struct Cell {
  int x, y;
  float value;
};
Tensor map_with(int height, int width, const std::vector<Cell>& cells, float background = 0.0f) {
  Tensor map = Tensor::full({1, height, width, 1}, background);
  for (const Cell& cell : cells) map.data<float>()[cell.y * width + cell.x] = cell.value;
  return map;
}

std::vector<float> peak_of(const Tensor& map, bool refine) {
  Tensor peaks = heatmap_argmax(map);
  if (refine) refine_quarter_offset(map, peaks);
  return {peaks.values<float>().begin(), peaks.values<float>().end()};
}

TEST(HeatmapDecode, FirstMaximumWinsAndMapsWithoutPositiveValueGiveZero) {
  EXPECT_EQ(peak_of(map_with(4, 48, {{4, 2, 1.0f}}), false), (std::vector<float>{4, 2, 1}));
  EXPECT_EQ(peak_of(map_with(4, 6, {{3, 1, 1.0f}, {2, 3, 1.0f}}), false),
            (std::vector<float>{3, 1, 1}));
  EXPECT_EQ(peak_of(map_with(4, 6, {{3, 1, -0.5f}}, -1.0f), true),
            (std::vector<float>{0, 0, -0.5f}));
  EXPECT_EQ(peak_of(map_with(4, 6, {}, 5.0f), true), (std::vector<float>{0, 0, 5}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(peak_of(map_with(4, 6, {{0, 0, nan}, {2, 2, 0.5f}}), false),
            (std::vector<float>{2, 2, 0.5f}));
}

TEST(HeatmapDecode, QuarterOffsetLeavesOutTheFirstTwoAndTheLastRowsAndColumns) {
  const auto offset_at = [](int x, int y) {
    const std::vector<float> peak =
        peak_of(map_with(64, 48, {{x, y, 1.0f}, {x > 0 ? x - 1 : x + 1, y, 0.5f}}), true);
    return peak[0] - static_cast<float>(x);
  };
  EXPECT_EQ(offset_at(10, 20), -0.25f);
  EXPECT_EQ(offset_at(1, 20), 0.0f);
  EXPECT_EQ(offset_at(2, 20), -0.25f);
  EXPECT_EQ(offset_at(46, 20), -0.25f);
  EXPECT_EQ(offset_at(47, 20), 0.0f);
  EXPECT_EQ(offset_at(10, 1), 0.0f);
  EXPECT_EQ(offset_at(10, 62), -0.25f);
  EXPECT_EQ(offset_at(10, 63), 0.0f);
}

TEST(HeatmapDecode, UnflippedRowIsMirroredShiftedAndExchanged) {
  // Two keypoints that are each other's mirror image; the row of the mirrored crop is d c b a.
  const std::vector<float> mirrored = {4, 40, 3, 30, 2, 20, 1, 10};
  const Tensor maps = Tensor::from_values<float>({1, 1, 4, 2}, mirrored);
  const std::vector<int> swap = {1, 0};
  const auto list = [](const Tensor& t) {
    return std::vector<float>(t.values<float>().begin(), t.values<float>().end());
  };
  EXPECT_EQ(list(unflip_heatmaps(maps, swap, true)),
            (std::vector<float>{10, 1, 10, 1, 20, 2, 30, 3}));
  EXPECT_EQ(list(unflip_heatmaps(maps, swap, false)),
            (std::vector<float>{10, 1, 20, 2, 30, 3, 40, 4}));
  const Tensor zeros = Tensor::zeros({1, 1, 4, 2});
  EXPECT_EQ(list(average_flipped(zeros, maps, swap, true)),
            (std::vector<float>{5, 0.5f, 5, 0.5f, 10, 1, 15, 1.5f}));
}

double accuracy_of(int gt_x, int gt_y, int x, int y) {
  return heatmap_accuracy(map_with(64, 48, {{x, y, 1.0f}}), map_with(64, 48, {{gt_x, gt_y, 1.0f}}))
      .per_keypoint[0];
}

TEST(HeatmapAccuracy, NormsAreExchangedAndEdgeTargetsDoNotCount) {
  EXPECT_EQ(accuracy_of(20, 20, 23, 20), 1.0);  // 3 / 6.4
  EXPECT_EQ(accuracy_of(20, 20, 24, 20), 0.0);
  EXPECT_EQ(accuracy_of(20, 20, 20, 22), 1.0);  // 2 / 4.8
  EXPECT_EQ(accuracy_of(20, 20, 20, 23), 0.0);
  EXPECT_EQ(accuracy_of(1, 30, 1, 30), -1.0);
  const HeatmapAccuracy none = heatmap_accuracy(map_with(8, 8, {}), map_with(8, 8, {}));
  EXPECT_EQ(none.num_keypoints, 0);
  EXPECT_EQ(none.average, 0.0);
}

TEST(HeatmapDecode, WrongShapesAreNamed) {
  const Tensor maps = Tensor::zeros({2, 4, 4, 3});
  EXPECT_THROW(static_cast<void>(heatmap_argmax(Tensor::zeros({4, 4, 3}))), ArgumentError);
  EXPECT_THROW(static_cast<void>(heatmap_argmax(Tensor::zeros({2, 4, 4, 3}, DType::f64))),
               ArgumentError);
  Tensor peaks = Tensor::zeros({2, 2, 3});
  EXPECT_THROW(refine_quarter_offset(maps, peaks), ArgumentError);
  EXPECT_THROW(static_cast<void>(decode_heatmaps(maps, {})), ArgumentError);
  const std::vector<int> outside = {0, 1, 3};
  EXPECT_THROW(static_cast<void>(unflip_heatmaps(maps, outside, true)), ArgumentError);
  EXPECT_THROW(static_cast<void>(heatmap_accuracy(maps, Tensor::zeros({2, 4, 4, 2}))),
               ArgumentError);
}

// ---- the published code's results ----

class HeatmapGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = test_support::shared_path("data/golden/topdown/decode.json");
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    golden_ = io::read_json(*path);
  }
  Json golden_;
};

void expect_rows(const Tensor& result, const std::vector<double>& wanted, int columns,
                 double tolerance) {
  const auto values = result.values<float>();
  const std::size_t rows = values.size() / 3;
  ASSERT_EQ(wanted.size(), rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      const double want = wanted[r * columns + c];
      EXPECT_NEAR(values[3 * r + c], want, tolerance * std::max(1.0, std::abs(want)))
          << "row " << r << " column " << c;
    }
  }
}

Affine to_image(const Json& center, const Json& scale, const Tensor& maps) {
  CenterScale region{{center[0], center[1]}, scale[0], scale[1]};
  region.round();
  const Size2 size{static_cast<int>(maps.dim(2)), static_cast<int>(maps.dim(1))};
  return heatmap_to_image(region, size);
}

TEST_F(HeatmapGolden, PeaksAndOffsetsOfWholeMaps) {
  for (const Json& entry : golden_["maps"]) {
    const auto shape = entry["shape"].get<std::vector<std::int64_t>>();
    const Tensor maps = test_support::golden_input(entry["name"].get<std::string>(),
                                                   {shape[0], shape[1], shape[2], shape[3]});
    Tensor peaks = heatmap_argmax(maps);
    expect_rows(peaks, test_support::flat_numbers(entry["argmax"]), 3, 1e-8);
    refine_quarter_offset(maps, peaks);
    expect_rows(peaks, test_support::flat_numbers(entry["quarter"]), 2, 0.0);
    std::vector<Affine> matrices;
    for (std::size_t i = 0; i < entry["centers"].size(); ++i) {
      matrices.push_back(to_image(entry["centers"][i], entry["scales"][i], maps));
    }
    expect_rows(decode_heatmaps(maps, matrices),
                test_support::flat_numbers(entry["final_with_offset"]), 2, 1e-8);
    expect_rows(decode_heatmaps(maps, matrices, {.quarter_offset = false}),
                test_support::flat_numbers(entry["final_without_offset"]), 2, 1e-8);
  }
}

TEST_F(HeatmapGolden, HandMadeMaps) {
  EXPECT_EQ(golden_["hand"].size(), 14u);
  for (const Json& entry : golden_["hand"]) {
    const std::vector<double> numbers = test_support::flat_numbers(entry["map"]);
    const std::vector<float> values(numbers.begin(), numbers.end());
    const auto height = static_cast<std::int64_t>(entry["map"].size());
    const auto width = static_cast<std::int64_t>(entry["map"][0].size());
    const Tensor map = Tensor::from_values<float>({1, height, width, 1}, values);
    SCOPED_TRACE(entry["name"].get<std::string>());
    Tensor peaks = heatmap_argmax(map);
    expect_rows(peaks, test_support::flat_numbers(entry["argmax"]), 3, 1e-8);
    refine_quarter_offset(map, peaks);
    expect_rows(peaks, test_support::flat_numbers(entry["quarter"]), 2, 0.0);
    const std::vector<Affine> matrices = {to_image(entry["center"], entry["scale"], map)};
    expect_rows(decode_heatmaps(map, matrices),
                test_support::flat_numbers(entry["final_with_offset"]), 2, 1e-8);
  }
}

TEST_F(HeatmapGolden, MirroredPass) {
  const std::vector<int> coco = {0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15};
  const std::vector<int> mpii = {5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10};
  for (const Json& entry : golden_["flip"]) {
    const std::string pairs = entry["pairs"];
    const std::vector<int>& permutation = pairs == "coco" ? coco : mpii;
    const auto shape = entry["shape"].get<std::vector<std::int64_t>>();
    const Shape reference = {shape[0], shape[1], shape[2], shape[3]};
    const Tensor plain = test_support::golden_input("flip_plain_" + pairs, reference);
    const Tensor mirrored = test_support::golden_input("flip_mirrored_" + pairs, reference);
    const auto expect = [&](const char* key, const Tensor& result) {
      test_support::expect_golden(entry[key], result, RefLayout::channels_second, 1e-8, key);
    };
    expect("back", unflip_heatmaps(mirrored, permutation, false));
    expect("shifted", unflip_heatmaps(mirrored, permutation, true));
    expect("average_with_shift", average_flipped(plain, mirrored, permutation, true));
    expect("average_without_shift", average_flipped(plain, mirrored, permutation, false));
  }
}

// A peak stands for the Gaussian of the reference: only its place matters. (0, 0) is a zero map.
void set_peak(Tensor& maps, std::int64_t sample, std::int64_t keypoint, std::int64_t x,
              std::int64_t y) {
  const std::int64_t h = maps.dim(1), w = maps.dim(2), k = maps.dim(3);
  maps.data<float>()[((sample * h + y) * w + x) * k + keypoint] = 1.0f;
}

TEST_F(HeatmapGolden, AccuracyOfListedCells) {
  for (int i = 0; i < 2; ++i) {
    const Json& entry = golden_["accuracy"][i];
    const auto count = static_cast<std::int64_t>(entry["gt"].size());
    Tensor output = Tensor::zeros({1, entry["height"], entry["width"], count});
    Tensor target = Tensor::zeros(output.shape());
    for (std::int64_t k = 0; k < count; ++k) {
      set_peak(output, 0, k, entry["pred"][k][0], entry["pred"][k][1]);
      set_peak(target, 0, k, entry["gt"][k][0], entry["gt"][k][1]);
    }
    const HeatmapAccuracy accuracy = heatmap_accuracy(output, target);
    EXPECT_EQ(accuracy.per_keypoint, test_support::flat_numbers(entry["per_joint"]));
    EXPECT_NEAR(accuracy.average, entry["average"].get<double>(), 1e-9);
    EXPECT_EQ(accuracy.num_keypoints, entry["count"].get<int>());
  }
}

TEST_F(HeatmapGolden, AccuracyOfABatch) {
  const Json& entry = golden_["accuracy"][2];
  Tensor output = Tensor::zeros({4, 64, 48, 17});
  Tensor target = Tensor::zeros(output.shape());
  for (int b = 0; b < 4; ++b) {
    for (int j = 0; j < 17; ++j) {
      const bool empty = (b == 1 && j == 3) || b == 2;
      const int x = (5 * j + 7 * b) % 48, y = (11 * j + 3 * b) % 64;
      const int px = x + j % 4, py = y - b % 3;
      if (!empty) set_peak(target, b, j, x, y);
      if (px < 48 && py >= 0) set_peak(output, b, j, px, py);
    }
  }
  const HeatmapAccuracy accuracy = heatmap_accuracy(output, target);
  const std::vector<double> wanted = test_support::flat_numbers(entry["per_joint"]);
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    EXPECT_NEAR(accuracy.per_keypoint[k], wanted[k], 1e-8) << k;
  }
  EXPECT_NEAR(accuracy.average, entry["average"].get<double>(), 1e-8);
  EXPECT_EQ(accuracy.num_keypoints, entry["count"].get<int>());
}

}  // namespace
}  // namespace akimbo
