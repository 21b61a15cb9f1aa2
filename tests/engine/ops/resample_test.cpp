#include "engine/ops/resample.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;
using Tensors = std::vector<Tensor>;

Tensor row(const std::vector<double>& values) {
  return Tensor::from_values<double>({1, 1, static_cast<std::int64_t>(values.size()), 1}, values);
}

TEST(Resample, BilinearRowByHand) {
  // Half-pixel centres: 4 from 2 samples at 0, 0.25, 0.75, 1 (clamped at both ends).
  const Tensor x = row({0, 4});
  EXPECT_LT(max_difference(ops::resize_bilinear(x, {.height = 1, .width = 4}), row({0, 1, 3, 4})),
            1e-15);
  // Aligned corners: at 0, 1/3, 2/3, 1.
  EXPECT_LT(
      max_difference(ops::resize_bilinear(x, {.height = 1, .width = 4, .align_corners = true}),
                     row({0, 4.0 / 3, 8.0 / 3, 4})),
      1e-15);
  // Down to one: the first pixel when corners are aligned, else the middle.
  const Tensor z = row({1, 2, 7});
  EXPECT_EQ(ops::resize_bilinear(z, {.height = 1, .width = 1, .align_corners = true}).item(), 1);
  EXPECT_EQ(ops::resize_bilinear(z, {.height = 1, .width = 1}).item(), 2);
}

TEST(Resample, BilinearMixesBothAxes) {
  const Tensor x = Tensor::from_values<double>({1, 2, 2, 1}, {0, 4, 8, 20});
  const Tensor y = ops::resize_bilinear(x, {.height = 3, .width = 3, .align_corners = true});
  EXPECT_EQ(
      max_difference(y, Tensor::from_values<double>({1, 3, 3, 1}, {0, 2, 4, 4, 8, 12, 8, 14, 20})),
      0);
}

TEST(Resample, NearestByHand) {
  EXPECT_EQ(max_difference(ops::upsample_nearest(row({1, 2}), 1), row({1, 2})), 0);
  const Tensor doubled = ops::upsample_nearest(row({1, 2}), 2);
  EXPECT_EQ(
      max_difference(doubled, Tensor::from_values<double>({1, 2, 4, 1}, {1, 1, 2, 2, 1, 1, 2, 2})),
      0);
  // floor(o 3 / 5) = 0, 0, 1, 1, 2 and floor(o 5 / 3) = 0, 1, 3.
  EXPECT_EQ(max_difference(ops::resize_nearest(row({1, 2, 3}), {.height = 1, .width = 5}),
                           row({1, 1, 2, 2, 3})),
            0);
  EXPECT_EQ(max_difference(ops::resize_nearest(row({1, 2, 3, 4, 5}), {.height = 1, .width = 3}),
                           row({1, 2, 4})),
            0);
}

TEST(Resample, SameSizeIsIdentity) {
  const Tensor x = random_tensor({2, 3, 5, 7}, 1);
  for (const bool align : {true, false}) {
    EXPECT_LT(max_difference(
                  ops::resize_bilinear(x, {.height = 3, .width = 5, .align_corners = align}), x),
              1e-15);
  }
  EXPECT_EQ(max_difference(ops::resize_nearest(x, {.height = 3, .width = 5}), x), 0);
}

TEST(Resample, GradientsUpAndDown) {
  for (const auto& [height, width] : {std::pair{7, 8}, {2, 3}, {1, 1}, {4, 11}, {9, 2}}) {
    const Tensor x = leaf(random_tensor({2, 3, 5, 2}, 1));
    const ops::ResizeOptions half{.height = height, .width = width};
    ops::ResizeOptions aligned = half;
    aligned.align_corners = true;
    EXPECT_TRUE(
        gradients_match([&](const Tensors& in) { return ops::resize_bilinear(in[0], half); }, {x}));
    EXPECT_TRUE(gradients_match(
        [&](const Tensors& in) { return ops::resize_bilinear(in[0], aligned); }, {x}));
    EXPECT_TRUE(
        gradients_match([&](const Tensors& in) { return ops::resize_nearest(in[0], half); }, {x}));
  }
}

// Four products of values up to 1 with weights up to 1; a gradient sums at most 36 of them here.
TEST(Resample, SinglePrecisionAndThreads) {
  for (const std::int64_t channels : {0, 1, 3, 16, 17, 64}) {
    const Tensor x = leaf(random_tensor({2, 13, 11, channels}, 1, -1, 1, DType::f32));
    const Tensor wide = leaf(x.to(DType::f64));
    const ops::ResizeOptions options{.height = 31, .width = 37};
    set_num_threads(3);
    const Tensor y = ops::resize_bilinear(x, options);
    set_num_threads(1);
    EXPECT_EQ(max_difference(ops::resize_bilinear(x, options), y), 0);
    set_num_threads(0);
    const Tensor y64 = ops::resize_bilinear(wide, options);
    EXPECT_LE(max_difference(y, y64), 8 * 6e-8);
    const Tensor grad_y = random_tensor(y.shape(), 2, -1, 1, DType::f32);
    y.backward(grad_y);
    y64.backward(grad_y.to(DType::f64));
    EXPECT_LE(max_difference(x.grad(), wide.grad()), 36 * 8 * 6e-8);
  }
}

TEST(Resample, Messages) {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  EXPECT_THROWS_WITH((void)ops::resize_bilinear(x, {.height = 0, .width = 4}), ArgumentError,
                     "0 x 4 pixels");
  EXPECT_THROWS_WITH(
      (void)ops::resize_bilinear(Tensor::zeros({1, 0, 4, 3}), {.height = 1, .width = 1}),
      ArgumentError, "1 or more");
  EXPECT_THROWS_WITH((void)ops::resize_nearest(Tensor::zeros({4, 4, 3}), {.height = 1, .width = 1}),
                     ArgumentError, "[N,H,W,C]");
  EXPECT_THROWS_WITH((void)ops::resize_nearest(x, {.height = 8, .width = 8, .align_corners = true}),
                     ArgumentError, "no meaning");
  EXPECT_THROWS_WITH((void)ops::upsample_nearest(x, 0), ArgumentError, "factor is 0");
  EXPECT_THROWS_WITH((void)ops::upsample_nearest(x.to(DType::u8), 2), ArgumentError, "x is u8");
}

}  // namespace
}  // namespace akimbo
