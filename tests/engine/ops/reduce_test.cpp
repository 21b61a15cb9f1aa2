#include "engine/ops/reduce.h"

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
using Tensors = std::vector<Tensor>;

TEST(Reduce, ByHand) {
  const Tensor x = Tensor::from_values<double>({2, 3}, {1, 2, 3, 4, 5, 9});
  EXPECT_EQ(ops::sum(x).item(), 24);
  EXPECT_EQ(ops::mean(x).item(), 4);
  EXPECT_EQ(ops::max(x).item(), 9);
  EXPECT_EQ(max_difference(ops::sum(x, {0}), Tensor::from_values<double>({3}, {5, 7, 12})), 0);
  EXPECT_EQ(max_difference(ops::mean(x, {1}), Tensor::from_values<double>({2}, {2, 6})), 0);
  EXPECT_EQ(max_difference(ops::max(x, {-1}, {.keep_axes = true}),
                           Tensor::from_values<double>({2, 1}, {3, 9})),
            0);
}

TEST(Reduce, AxesApartMatchTheDefinition) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  const Tensor y = ops::sum(x, {3, 1});
  ASSERT_EQ(y.shape(), (Shape{2, 4}));
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t k = 0; k < 4; ++k) {
      double sum = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        for (std::size_t b = 0; b < 5; ++b) {
          sum += x.values<double>()[((n * 3 + a) * 4 + k) * 5 + b];
        }
      }
      EXPECT_NEAR(y.values<double>()[n * 4 + k], sum, 1e-14);
    }
  }
  EXPECT_EQ(ops::sum(x, {1, 3}, {.keep_axes = true}).shape(), (Shape{2, 1, 4, 1}));
}

TEST(Reduce, Gradients) {
  const Tensor x = leaf(distinct_tensor({2, 3, 4, 2}, 1));
  const std::vector<std::function<Tensor(const Tensors&)>> functions = {
      [](const Tensors& in) { return ops::sum(in[0]); },
      [](const Tensors& in) {
        return ops::sum(in[0], {0, 1, 2});
      },
      [](const Tensors& in) {
        return ops::sum(in[0], {1, 3});
      },
      [](const Tensors& in) {
        return ops::mean(in[0], {1, 2});
      },
      [](const Tensors& in) { return ops::mean(in[0], {-1}, {.keep_axes = true}); },
      [](const Tensors& in) { return ops::max(in[0], {2}); },
      [](const Tensors& in) {
        return ops::max(in[0], {0, 2});
      },
      [](const Tensors& in) { return ops::max(in[0]); },
      [](const Tensors& in) { return ops::sum(in[0], {}); },
  };
  for (const auto& f : functions) EXPECT_TRUE(gradients_match(f, {x}));
}

// Sums are taken in double and rounded once.
TEST(Reduce, SinglePrecisionAndThreads) {
  for (const Shape& shape : {Shape{1, 1}, Shape{7, 13}, Shape{100003, 1}, Shape{5003, 17}}) {
    const Tensor x = random_tensor(shape, 2, 0, 1, DType::f32);
    const Tensor wide = ops::sum(x.to(DType::f64), {0});
    set_num_threads(1);
    const Tensor one = ops::sum(x, {0});
    set_num_threads(3);
    const Tensor three = ops::sum(x, {0});
    set_num_threads(0);
    EXPECT_EQ(max_difference(one, three), 0);
    EXPECT_LE(max_difference(one, wide), 6e-8 * static_cast<double>(shape[0]));
  }
}

TEST(Reduce, MaxOfEqualsAndNan) {
  const Tensor x = leaf(Tensor::full({3}, 2, DType::f64));
  ops::max(x).backward();
  EXPECT_EQ(max_difference(x.grad(), Tensor::from_values<double>({3}, {1, 0, 0})), 0);
  const Tensor y = Tensor::from_values<double>({3}, {1, std::nan(""), 5});
  EXPECT_TRUE(std::isnan(ops::max(y).item()));
}

TEST(Reduce, NothingToReduce) {
  const Tensor x = leaf(Tensor::zeros({0, 3}));
  EXPECT_EQ(ops::sum(x).item(), 0);
  EXPECT_EQ(ops::sum(x, {0}).shape(), (Shape{3}));
  EXPECT_EQ(ops::mean(x, {1}).shape(), (Shape{0}));
  EXPECT_THROWS_WITH((void)ops::mean(x), ArgumentError, "[mean] x [0,3] has no elements");
  EXPECT_THROWS_WITH((void)ops::max(x, {0}), ArgumentError, "no elements");
  EXPECT_THROWS_WITH((void)ops::sum(x, {2}), ArgumentError, "axis 2");
  EXPECT_THROWS_WITH((void)ops::sum(x, {1, -1}), ArgumentError, "named twice");
  EXPECT_THROWS_WITH((void)ops::sum(x.detach().to(DType::u8)), ArgumentError, "x is u8");
}

}  // namespace
}  // namespace akimbo
