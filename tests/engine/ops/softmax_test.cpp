#include "engine/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

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

TEST(Softmax, ByHand) {
  const Tensor x = Tensor::from_values<double>({1, 3}, {0, std::log(2.0), std::log(5.0)});
  const Tensor p = Tensor::from_values<double>({1, 3}, {0.125, 0.25, 0.625});
  EXPECT_LT(max_difference(ops::softmax(x), p), 1e-16);
  const Tensor log_p =
      Tensor::from_values<double>({1, 3}, {std::log(0.125), std::log(0.25), std::log(0.625)});
  EXPECT_LT(max_difference(ops::log_softmax(x), log_p), 1e-15);
}

TEST(Softmax, LargeLogitsDoNotOverflow) {
  const Tensor x = Tensor::from_values<float>({2}, {1e30f, -1e30f});
  EXPECT_EQ(ops::softmax(x).values<float>()[0], 1);
  EXPECT_EQ(ops::softmax(x).values<float>()[1], 0);
  EXPECT_EQ(ops::log_softmax(x).values<float>()[0], 0);
}

TEST(Softmax, Gradients) {
  const Tensor x = leaf(random_tensor({2, 3, 7}, 1, -3, 3));
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::softmax(in[0]); }, {x}));
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::log_softmax(in[0]); }, {x}));
}

// exp of a difference d of up to 8 is off by |d| eps and a rounding; the sum adds one.
TEST(Softmax, SinglePrecisionFollowsDouble) {
  for (const Shape& shape : {Shape{0, 4}, Shape{3, 1}, Shape{5, 17}, Shape{2, 3072}}) {
    const Tensor x = leaf(random_tensor(shape, 1, -4, 4, DType::f32));
    const Tensor wide = leaf(x.to(DType::f64));
    const Tensor y = ops::softmax(x);
    const Tensor y64 = ops::softmax(wide);
    EXPECT_LE(max_difference(y, y64), 12 * 6e-8);
    EXPECT_LE(max_difference(ops::log_softmax(x), ops::log_softmax(wide)), 3 * 16 * 6e-8);
    y.backward(x.detach());
    y64.backward(x.to(DType::f64));
    EXPECT_LE(max_difference(x.grad(), wide.grad()), 40 * 6e-8);
  }
}

TEST(Softmax, ThreadsAndMessages) {
  const Tensor x = random_tensor({301, 129}, 1, -4, 4, DType::f32);
  set_num_threads(1);
  const Tensor one = ops::softmax(x);
  set_num_threads(3);
  EXPECT_EQ(max_difference(ops::softmax(x), one), 0);
  set_num_threads(0);
  EXPECT_THROWS_WITH((void)ops::softmax(x.to(DType::i32)), ArgumentError, "[softmax] x is i32");
  EXPECT_THROWS_WITH((void)ops::log_softmax(Tensor::zeros(Shape())), ArgumentError, "no axes");
}

}  // namespace
}  // namespace akimbo
