#include "engine/ops/heatmap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "engine/ops/gather.h"
#include "tests/support/golden.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;
using Tensors = std::vector<Tensor>;

Tensor one_map(std::int64_t height, std::int64_t width, const std::vector<double>& values) {
  return Tensor::from_values<double>({1, height, width, 1}, values);
}

// A volume of logits f(x, y, d), one keypoint.
template <typename F>
Tensor volume(std::int64_t size, DType dtype, const F& f) {
  Tensor t = Tensor::empty({1, size, size, size}, DType::f64);
  double* values = t.data<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    values[i] = f(static_cast<double>(i / size % size), static_cast<double>(i / size / size),
                  static_cast<double>(i % size));
  }
  return t.to(dtype);
}

TEST(SoftArgmax, ByHand) {
  // p = 1/8, 1/8, 1/4, 1/2 on a 2 x 2 map.
  const Tensor x = one_map(2, 2, {0, 0, std::log(2.0), std::log(4.0)});
  EXPECT_LT(
      max_difference(ops::soft_argmax_2d(x), Tensor::from_values<double>({1, 1, 2}, {0.625, 0.75})),
      1e-15);
  // The same numbers as one pixel of four depth bins.
  const Tensor deep = ops::reshape(x, {1, 1, 1, 4});
  EXPECT_LT(max_difference(ops::soft_argmax_3d(deep, 4),
                           Tensor::from_values<double>({1, 1, 3}, {0, 0, 0.125 + 0.5 + 1.5})),
            1e-15);
}

// Closed forms for 64^3 volumes: a single logit L at (10, 20, 30), and a ramp.
TEST(SoftArgmax, ClosedForms) {
  const double count = 64.0 * 64 * 64;
  const auto delta = [](double x, double y, double d) {
    return x == 10 && y == 20 && d == 30 ? 20.0 : 0.0;
  };
  const double p = std::exp(20.0) / (std::exp(20.0) + count - 1);
  const auto expected = [&](double at) {
    return p * at + (1 - p) * (31.5 * count - at) / (count - 1);
  };
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor c = ops::soft_argmax_3d(volume(64, dtype, delta), 64).to(DType::f64);
    const double tolerance = dtype == DType::f32 ? 64 * 6e-8 : 1e-12;
    EXPECT_NEAR(c.values<double>()[0], expected(10), tolerance);
    EXPECT_NEAR(c.values<double>()[1], expected(20), tolerance);
    EXPECT_NEAR(c.values<double>()[2], expected(30), tolerance);
  }
  const auto ramp = [](double x, double, double) { return 0.1 * x; };
  EXPECT_NEAR(ops::soft_argmax_3d(volume(64, DType::f64, ramp), 64).values<double>()[0], 53.598185,
              1e-6);
  // A constant on all logits changes nothing and overflows nothing.
  const auto shifted = [](double x, double, double) { return 1000 + 0.1 * x; };
  EXPECT_NEAR(ops::soft_argmax_3d(volume(64, DType::f64, shifted), 64).values<double>()[0],
              53.598185, 1e-6);
}

TEST(SoftArgmax, EqualsThePublishedCode) {
  const auto path = test_support::shared_path("data/golden/integral3d/soft_argmax.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path).at("cases").at("random_small");
  // 6 u("logits") of shape (N, J, D, H, W): the channels of ours are J * D.
  const Tensor base = test_support::golden_input("logits", {2 * 3 * 6 * 5 * 7},
                                                 test_support::RefLayout::as_is, DType::f64);
  Tensor wide = Tensor::empty({2, 18, 5, 7}, DType::f64);
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    wide.data<double>()[i] =
        static_cast<float>(6 * base.values<double>()[static_cast<std::size_t>(i)]);
  }
  const Tensor x = leaf(ops::permute(wide, {0, 2, 3, 1}));
  const Tensor coords = ops::soft_argmax_3d(x, 6);
  const std::vector<double> wanted = test_support::flat_numbers(golden.at("A_float64"));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(coords.values<double>()[i], wanted[i], 1e-13);
  }
  coords.backward(test_support::golden_input("grad_output", {2, 3, 3},
                                             test_support::RefLayout::as_is, DType::f64));
  test_support::expect_golden(golden.at("grad_float64"), x.grad(),
                              test_support::RefLayout::channels_second, 1e-7, "gradient");
  const Tensor narrow = ops::soft_argmax_3d(x.detach().to(DType::f32), 6);
  EXPECT_LT(max_difference(narrow, coords), 7 * 16 * 6e-8);
}

TEST(SoftArgmax, Gradients) {
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::soft_argmax_2d(in[0]); },
                              {leaf(random_tensor({2, 4, 5, 3}, 1, -2, 2))}));
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::soft_argmax_3d(in[0], 3); },
                              {leaf(random_tensor({2, 3, 4, 6}, 1, -2, 2))}));
}

TEST(SoftArgmax, MassAtInfinityOnlyCountsWhereItIs) {
  const double none = -std::numeric_limits<double>::infinity();
  Tensor x = Tensor::full({1, 300, 64, 1}, none, DType::f64);
  x.data<double>()[(299 * 64 + 5)] = -3;
  const Tensor c = ops::soft_argmax_2d(x);
  EXPECT_EQ(max_difference(c, Tensor::from_values<double>({1, 1, 2}, {5, 299})), 0);
}

TEST(SoftArgmax, NumberOfThreadsDoesNotMatter) {
  const auto run = [](int threads) {
    set_num_threads(threads);
    const Tensor x = leaf(random_tensor({2, 31, 33, 34}, 1, -4, 4, DType::f32));
    const Tensor y = ops::soft_argmax_3d(x, 2);
    y.backward(y.detach());
    set_num_threads(0);
    return Tensors{y, x.grad()};
  };
  const Tensors one = run(1);
  const Tensors three = run(3);
  EXPECT_EQ(max_difference(one[0], three[0]), 0);
  EXPECT_EQ(max_difference(one[1], three[1]), 0);
}

TEST(HeatmapArgmax, FirstLargestInRowMajorOrder) {
  const ops::HeatmapMaxima m = ops::heatmap_argmax(one_map(2, 3, {0, 1, 7, 7, -1, 7}));
  EXPECT_EQ(m.score.values<double>()[0], 7);
  EXPECT_EQ(m.location.values<std::int32_t>()[0], 2);
  EXPECT_EQ(m.location.values<std::int32_t>()[1], 0);
  const ops::HeatmapMaxima n = ops::heatmap_argmax(one_map(1, 3, {1, std::nan(""), 2}));
  EXPECT_TRUE(std::isnan(n.score.values<double>()[0]));
  EXPECT_EQ(ops::heatmap_argmax(Tensor::zeros({0, 2, 2, 5})).score.shape(), (Shape{0, 5}));
}

TEST(HeatmapPeaks, LargestOfTheirWindowInFallingOrder) {
  const Tensor x = one_map(3, 5,
                           {5, 0, 0, 0, 8,  //
                            0, 0, 3, 0, 0,  //
                            1, 0, 0, 2, 2});
  const auto peaks = ops::heatmap_peaks(x, {.window = 3, .top = 5, .threshold = 1.5});
  // Of the two 2s, one has the 3 in its window; the corner touches only its equal.
  EXPECT_EQ(peaks.count.values<std::int32_t>()[0], 4);
  EXPECT_EQ(max_difference(peaks.score, Tensor::from_values<double>({1, 1, 5}, {8, 5, 3, 2, 0})),
            0);
  const std::vector<std::int32_t> wanted{4, 0, 0, 0, 2, 1, 4, 2, -1, -1};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(peaks.location.values<std::int32_t>()[i], wanted[i]) << i;
  }
  EXPECT_EQ(ops::heatmap_peaks(x, {.window = 9}).count.values<std::int32_t>()[0], 1);
  const auto first = ops::heatmap_peaks(x, {.window = 1, .top = 1});
  EXPECT_EQ(first.score.item(), 8);
  const Tensor flat = Tensor::full({1, 2, 2, 1}, 3);
  EXPECT_EQ(ops::heatmap_peaks(flat, {.window = 3}).count.values<std::int32_t>()[0], 4);
}

TEST(HeatmapPeaks, EveryMapByItself) {
  const Tensor x = random_tensor({2, 11, 7, 3}, 3, 0, 1, DType::f32);
  const auto all = ops::heatmap_peaks(x, {.window = 3, .top = 5});
  const Tensor last = ops::slice(x.rows(1, 2), 3, 2, 3);
  const auto alone = ops::heatmap_peaks(last, {.window = 3, .top = 5});
  EXPECT_EQ(
      max_difference(ops::reshape(all.score, {6, 5}).rows(5, 6), ops::reshape(alone.score, {1, 5})),
      0);
}

TEST(Heatmap, Messages) {
  const Tensor x = Tensor::zeros({1, 4, 4, 6});
  EXPECT_THROWS_WITH((void)ops::soft_argmax_3d(x, 4), ArgumentError, "depth 4 does not");
  EXPECT_THROWS_WITH((void)ops::soft_argmax_2d(Tensor::zeros({4, 4, 6})), ArgumentError,
                     "[N,H,W,K]");
  EXPECT_THROWS_WITH((void)ops::heatmap_argmax(Tensor::zeros({1, 0, 4, 6})), ArgumentError,
                     "without cells");
  EXPECT_THROWS_WITH((void)ops::heatmap_peaks(x, {.window = 4}), ArgumentError, "odd window");
  EXPECT_THROWS_WITH((void)ops::heatmap_peaks(x.to(DType::u8)), ArgumentError, "x is u8");
}

}  // namespace
}  // namespace akimbo
