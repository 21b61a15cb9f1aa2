#include "engine/ops/pool.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::distinct_tensor;
using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;

Tensor square(const std::vector<double>& values) {
  return Tensor::from_values<double>({1, 2, 2, 1}, values);
}

TEST(MaxPool, ByHand) {
  const Tensor x =
      Tensor::from_values<double>({1, 3, 4, 1}, {1, 2, 3, 4, 5, 16, 7, 8, 9, 10, 11, 12});
  const Tensor y = ops::max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
  EXPECT_EQ(max_difference(y, square({16, 16, 16, 16})), 0);
  EXPECT_EQ(max_difference(ops::max_pool2d(x, {.kernel = 2}),
                           Tensor::from_values<double>({1, 1, 2, 1}, {16, 8})),
            0);
}

TEST(MaxPool, PaddingNeverWins) {
  const Tensor y =
      ops::max_pool2d(Tensor::full({1, 2, 2, 1}, -5), {.kernel = 3, .stride = 1, .padding = 1});
  for (const float v : y.values<float>()) EXPECT_EQ(v, -5);
}

TEST(MaxPool, CeilModeKeepsWindowsThatStartInside) {
  const Tensor x = Tensor::zeros({1, 5, 5, 1});
  EXPECT_EQ(ops::max_pool2d(x, {.kernel = 2, .stride = 2}).shape(), (Shape{1, 2, 2, 1}));
  EXPECT_EQ(ops::max_pool2d(x, {.kernel = 2, .stride = 2, .ceil_mode = true}).shape(),
            (Shape{1, 3, 3, 1}));
  // ceil((5 + 2 - 2) / 3) + 1 = 3, but the third window would start at 6 = 5 + 1: beyond x.
  EXPECT_EQ(ops::max_pool2d(x, {.kernel = 2, .stride = 3, .padding = 1, .ceil_mode = true}).shape(),
            (Shape{1, 2, 2, 1}));
}

TEST(MaxPool, FirstOfEqualsGetsTheGradient) {
  const Tensor x = leaf(Tensor::full({1, 2, 2, 1}, 3, DType::f64));
  ops::max_pool2d(x, {.kernel = 2}).backward();
  EXPECT_EQ(max_difference(x.grad(), square({1, 0, 0, 0})), 0);
}

TEST(MaxPool, NanPropagates) {
  for (const int at : {0, 1, 3}) {
    Tensor x = Tensor::zeros({1, 2, 2, 1});
    x.data<float>()[at] = std::nanf("");
    EXPECT_TRUE(std::isnan(ops::max_pool2d(x, {.kernel = 2}).item())) << at;
  }
}

TEST(MaxPool, Gradients) {
  for (const ops::Pool2dOptions& o :
       std::vector<ops::Pool2dOptions>{{.kernel = 3, .stride = 2, .padding = 1},
                                       {.kernel = 2, .ceil_mode = true},
                                       {.kernel = 3, .stride = 1, .padding = 1},
                                       {.kernel = 1, .stride = 3}}) {
    EXPECT_TRUE(
        gradients_match([&](const std::vector<Tensor>& in) { return ops::max_pool2d(in[0], o); },
                        {leaf(distinct_tensor({2, 5, 7, 3}, 3))}))
        << "kernel " << o.kernel;
  }
}

// Single precision picks the same elements, over channel counts around the vector widths.
TEST(MaxPool, SinglePrecisionEqualsDouble) {
  const ops::Pool2dOptions options{.kernel = 3, .stride = 2, .padding = 1};
  for (const std::int64_t channels : {1, 3, 4, 8, 15, 16, 17, 33, 64, 131}) {
    const Tensor narrow = leaf(distinct_tensor({2, 7, 6, channels}, 5, -1, 1, DType::f32));
    const Tensor wide = leaf(narrow.to(DType::f64));
    const Tensor y32 = ops::max_pool2d(narrow, options);
    const Tensor y64 = ops::max_pool2d(wide, options);
    EXPECT_EQ(max_difference(y32, y64), 0) << channels;
    EXPECT_EQ(max_difference(ops::max_pool2d(narrow.detach(), options), y64), 0) << channels;
    const Tensor grad_y = random_tensor(y32.shape(), 6, -1, 1, DType::f32);
    y32.backward(grad_y);
    y64.backward(grad_y.to(DType::f64));
    // At most four windows meet in one element.
    EXPECT_LT(max_difference(narrow.grad(), wide.grad()), 4 * 4 * 6e-8) << channels;
  }
}

TEST(AvgPool, ByHandWithAndWithoutPadding) {
  const Tensor x = square({1, 2, 3, 6});
  const auto pooled = [&](bool count_pad) {
    return ops::avg_pool2d(
        x, {.kernel = 2, .stride = 2, .padding = 1, .count_include_pad = count_pad});
  };
  EXPECT_EQ(max_difference(pooled(true), square({0.25, 0.5, 0.75, 1.5})), 0);
  EXPECT_EQ(max_difference(pooled(false), square({1, 2, 3, 6})), 0);
}

// 3 columns, kernel 2, ceil mode: the last window reaches past x and counts one column only.
TEST(AvgPool, CeilModeCountsOnlyWhatIsThere) {
  const Tensor x = Tensor::from_values<double>({1, 2, 3, 1}, {1, 2, 3, 3, 2, 7});
  const Tensor y = ops::avg_pool2d(x, {.kernel = 2, .ceil_mode = true});
  EXPECT_EQ(max_difference(y, Tensor::from_values<double>({1, 1, 2, 1}, {2, 5})), 0);
}

TEST(AvgPool, Gradients) {
  for (const ops::Pool2dOptions& o :
       std::vector<ops::Pool2dOptions>{{.kernel = 3, .stride = 2, .padding = 1},
                                       {.kernel = 2, .ceil_mode = true},
                                       {.kernel = 3,
                                       .stride = 2,
                                       .padding = 1,
                                       .ceil_mode = true,
                                       .count_include_pad = false}}) {
    EXPECT_TRUE(
        gradients_match([&](const std::vector<Tensor>& in) { return ops::avg_pool2d(in[0], o); },
                        {leaf(random_tensor({2, 5, 4, 3}, 3))}));
  }
}

// Nine values up to 1 are added and divided: ten roundings.
TEST(AvgPool, SinglePrecisionFollowsDouble) {
  const ops::Pool2dOptions options{.kernel = 3, .stride = 2, .padding = 1};
  for (const std::int64_t channels : {1, 5, 16, 67}) {
    const Tensor narrow = leaf(random_tensor({2, 7, 6, channels}, 5, -1, 1, DType::f32));
    const Tensor wide = leaf(narrow.to(DType::f64));
    const Tensor y32 = ops::avg_pool2d(narrow, options);
    const Tensor y64 = ops::avg_pool2d(wide, options);
    EXPECT_LT(max_difference(y32, y64), 10 * 6e-8);
    y32.backward(y32.detach());
    y64.backward(y32.detach().to(DType::f64));
    EXPECT_LT(max_difference(narrow.grad(), wide.grad()), 10 * 6e-8);
  }
}

TEST(GlobalAvgPool, MeanAndGradient) {
  const Tensor x = leaf(random_tensor({2, 3, 5, 2}, 3));
  const Tensor y = ops::global_avg_pool2d(x);
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  double mean = 0;
  for (std::size_t i = 0; i < 15; ++i) mean += x.values<double>()[2 * i] / 15;
  EXPECT_NEAR(y.values<double>()[0], mean, 1e-15);
  EXPECT_TRUE(gradients_match(
      [](const std::vector<Tensor>& in) { return ops::global_avg_pool2d(in[0]); }, {x}));
}

TEST(Pool, NumberOfThreadsDoesNotMatter) {
  const auto run = [](int threads) {
    set_num_threads(threads);
    const Tensor x = leaf(random_tensor({3, 33, 31, 19}, 4, -1, 1, DType::f32));
    const Tensor y = ops::max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
    y.backward(y.detach());
    const Tensor average = ops::avg_pool2d(x.detach(), {.kernel = 3, .stride = 2, .padding = 1});
    set_num_threads(0);
    return std::vector<Tensor>{y, x.grad(), average};
  };
  const std::vector<Tensor> one = run(1);
  const std::vector<Tensor> three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(max_difference(one[i], three[i]), 0) << i;
}

TEST(Pool, EmptyBatch) {
  const Tensor x = leaf(Tensor::zeros({0, 4, 4, 3}));
  const Tensor y = ops::max_pool2d(x, {.kernel = 2});
  EXPECT_EQ(y.shape(), (Shape{0, 2, 2, 3}));
  y.backward(y.detach());
  EXPECT_EQ(x.grad().shape(), x.shape());
}

TEST(Pool, Messages) {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  EXPECT_THROWS_WITH((void)ops::max_pool2d(x, {.kernel = 5}), ArgumentError, "smaller than");
  EXPECT_THROWS_WITH((void)ops::max_pool2d(x, {.kernel = 2, .padding = 2}), ArgumentError,
                     "half the kernel");
  EXPECT_THROWS_WITH((void)ops::max_pool2d(x, {.kernel = 0}), ArgumentError, "kernel >= 1");
  EXPECT_THROWS_WITH((void)ops::max_pool2d(Tensor::zeros({4, 4, 3}), {}), ArgumentError,
                     "[N,H,W,C]");
  EXPECT_THROWS_WITH((void)ops::avg_pool2d(x.to(DType::u8), {}), ArgumentError, "u8");
  EXPECT_THROWS_WITH((void)ops::max_pool2d(leaf(Tensor::zeros({1, 16, 16, 1})), {.kernel = 16}),
                     ArgumentError, "at most 15");
  EXPECT_THROWS_WITH((void)ops::global_avg_pool2d(Tensor::zeros({1, 0, 4, 3})), ArgumentError,
                     "no pixels");
}

}  // namespace
}  // namespace akimbo
