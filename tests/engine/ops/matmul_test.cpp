#include "engine/ops/matmul.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/support/numeric_gradient.h"

namespace akimbo {
namespace {

using test_support::expect_numeric_gradient;
using test_support::random_tensor;

std::vector<float> floats(const Tensor& t) {
  return {t.values<float>().begin(), t.values<float>().end()};
}

TEST(Matmul, HandComputed) {
  const Tensor a = Tensor::from_values<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::from_values<float>({3, 2}, {1, 10, 2, 20, 3, 30});
  EXPECT_EQ(floats(ops::matmul(a, b)), (std::vector<float>{14, 140, 32, 320}));
  EXPECT_EQ(ops::matmul(a.view({2, 1, 3}), b).shape(), Shape({2, 1, 2}));
}

TEST(Linear, HandComputed) {
  const Tensor x = Tensor::from_values<float>({1, 3}, {1, 2, 3});
  const Tensor w = Tensor::from_values<float>({2, 3}, {1, 1, 1, 1, 10, 100});
  const Tensor bias = Tensor::from_values<float>({2}, {0.5, -1});
  EXPECT_EQ(floats(ops::linear(x, w)), (std::vector<float>{6, 321}));
  EXPECT_EQ(floats(ops::linear(x, w, bias)), (std::vector<float>{6.5, 320}));
}

TEST(Matmul, NumericGradient) {
  expect_numeric_gradient([](const std::vector<Tensor>& in) { return ops::matmul(in[0], in[1]); },
                          {random_tensor({2, 3, 5}, 1), random_tensor({5, 7}, 2)});
}

TEST(Linear, NumericGradient) {
  const auto f = [](const std::vector<Tensor>& in) { return ops::linear(in[0], in[1], in[2]); };
  expect_numeric_gradient(
      f, {random_tensor({3, 5}, 1), random_tensor({7, 5}, 2), random_tensor({7}, 3)});
  expect_numeric_gradient(f, {random_tensor({2, 2, 1}, 1), random_tensor({17, 1}, 2), Tensor()});
}

// The blocked products against the definition, across tile edges.
TEST(Matmul, FloatMatchesDouble) {
  for (const std::int64_t n : {1, 5, 65, 130}) {
    const Tensor x = random_tensor({13, 600}, 1), w = random_tensor({n, 600}, 2);
    const Tensor bias = random_tensor({n}, 3);
    const Tensor y = ops::linear(x.to(DType::f32), w.to(DType::f32), bias.to(DType::f32));
    for (std::int64_t i = 0; i < 13 * n; ++i) {
      double sum = bias.values<double>()[static_cast<std::size_t>(i % n)];
      for (std::int64_t k = 0; k < 600; ++k) {
        sum += x.values<double>()[static_cast<std::size_t>(i / n * 600 + k)] *
               w.values<double>()[static_cast<std::size_t>(i % n * 600 + k)];
      }
      EXPECT_NEAR(y.values<float>()[static_cast<std::size_t>(i)], sum, 600 * 0x1p-22);
    }
  }
}

TEST(Matmul, Empty) {
  EXPECT_EQ(ops::matmul(Tensor::zeros({0, 3}), Tensor::zeros({3, 2})).shape(), Shape({0, 2}));
  // A sum over nothing is zero.
  EXPECT_EQ(floats(ops::matmul(Tensor::zeros({1, 0}), Tensor::zeros({0, 2}))),
            (std::vector<float>{0, 0}));
}

TEST(Matmul, Messages) {
  const auto message = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const ArgumentError& e) {
      return e.what();
    }
    return "";
  };
  const Tensor a = Tensor::zeros({2, 3});
  EXPECT_NE(message([&] {
              (void)ops::matmul(a, Tensor::zeros({2, 3}));
            }).find("[2,3] and [2,3]"),
            std::string::npos);
  EXPECT_NE(message([&] { (void)ops::linear(a, a.to(DType::f64)); }).find("f32 and f64"),
            std::string::npos);
  EXPECT_NE(message([&] { (void)ops::linear(a, a, Tensor::zeros({3})); }).find("bias is f32 [3]"),
            std::string::npos);
}

}  // namespace
}  // namespace akimbo
