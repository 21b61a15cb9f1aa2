#include "engine/ops/elementwise.h"

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

Tensor vector_of(const std::vector<double>& values, DType dtype = DType::f64) {
  return Tensor::from_values<double>({static_cast<std::int64_t>(values.size())}, values).to(dtype);
}

struct Unary {
  const char* name;
  Tensor (*op)(const Tensor&);
  double (*formula)(double);
  double low, high;  // where it is smooth and defined
};

const Unary kUnary[] = {
    {"relu", ops::relu, [](double v) { return std::fmax(v, 0); }, 0.01, 2},
    {"relu, closed", ops::relu, [](double v) { return std::fmax(v, 0); }, -2, -0.01},
    {"leaky_relu", [](const Tensor& x) { return ops::leaky_relu(x, 0.1); },
     [](double v) { return v > 0 ? v : 0.1 * v; }, -2, -0.01},
    {"leaky_relu, open", [](const Tensor& x) { return ops::leaky_relu(x); },
     [](double v) { return v > 0 ? v : 0.01 * v; }, 0.01, 2},
    {"sigmoid", ops::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }, -4, 4},
    {"tanh", ops::tanh, [](double v) { return std::tanh(v); }, -3, 3},
    {"exp", ops::exp, [](double v) { return std::exp(v); }, -3, 3},
    {"log", ops::log, [](double v) { return std::log(v); }, 0.1, 5},
    {"sqrt", ops::sqrt, [](double v) { return std::sqrt(v); }, 0.1, 5},
    {"abs", ops::abs, [](double v) { return std::abs(v); }, -2, -0.01},
    {"square", ops::square, [](double v) { return v * v; }, -2, 2},
    {"clamp", [](const Tensor& x) { return ops::clamp(x, -0.5, 9); },
     [](double v) { return std::fmax(v, -0.5); }, -0.49, 2},
    {"clamp, outside", [](const Tensor& x) { return ops::clamp(x, -9, 0.5); },
     [](double v) { return std::fmin(v, 0.5); }, 0.51, 2},
    {"scale", [](const Tensor& x) { return ops::scale(x, -1.5); },
     [](double v) { return -1.5 * v; }, -2, 2},
    {"add_scalar", [](const Tensor& x) { return ops::add_scalar(x, 2.5); },
     [](double v) { return v + 2.5; }, -2, 2},
};

TEST(Elementwise, UnaryFormulasAndGradients) {
  for (const Unary& u : kUnary) {
    const Tensor x = random_tensor({2, 3, 11}, 5, u.low, u.high);
    const Tensor y = u.op(x);
    for (std::size_t i = 0; i < 66; ++i) {
      EXPECT_NEAR(y.values<double>()[i], u.formula(x.values<double>()[i]), 1e-14) << u.name;
    }
    EXPECT_TRUE(gradients_match([&](const Tensors& in) { return u.op(in[0]); }, {leaf(x)}))
        << u.name;
  }
}

// One rounding of x, a few of the function itself: 4 ulp of values up to about 20.
TEST(Elementwise, SinglePrecisionFollowsDouble) {
  for (const Unary& u : kUnary) {
    for (const std::int64_t count : {0, 1, 7, 16, 33, 1031}) {
      const Tensor x = random_tensor({count}, 5, u.low, u.high, DType::f32);
      const Tensor narrow = leaf(x.clone());
      const Tensor wide = leaf(x.to(DType::f64));
      const Tensor y32 = u.op(narrow);
      const Tensor y64 = u.op(wide);
      EXPECT_LE(max_difference(y32, y64), 4 * 6e-8 * 20) << u.name << " " << count;
      y32.backward(x);
      y64.backward(x.to(DType::f64));
      EXPECT_LE(max_difference(narrow.grad(), wide.grad()), 8 * 6e-8 * 60) << u.name;
    }
  }
}

TEST(Elementwise, BinaryFormulasAndGradients) {
  const Tensor a = vector_of({1, -2, 6});
  const Tensor b = vector_of({4, 2, -3});
  EXPECT_EQ(max_difference(ops::add(a, b), vector_of({5, 0, 3})), 0);
  EXPECT_EQ(max_difference(ops::sub(a, b), vector_of({-3, -4, 9})), 0);
  EXPECT_EQ(max_difference(ops::mul(a, b), vector_of({4, -4, -18})), 0);
  EXPECT_EQ(max_difference(ops::div(a, b), vector_of({0.25, -1, -2})), 0);
  for (auto* op : {&ops::add, &ops::sub, &ops::mul, &ops::div}) {
    for (const int wanted : {1, 2, 3}) {
      Tensors in{random_tensor({3, 5}, 1), random_tensor({3, 5}, 2, 0.5, 2)};
      if (wanted & 1) in[0].set_requires_grad();
      if (wanted & 2) in[1].set_requires_grad();
      EXPECT_TRUE(gradients_match([&](const Tensors& t) { return op(t[0], t[1]); }, in));
    }
  }
  const Tensor x = leaf(random_tensor({7}, 3));
  EXPECT_TRUE(gradients_match([](const Tensors& t) { return ops::mul(t[0], t[0]); }, {x}));
}

TEST(Elementwise, ChannelsAreRepeatedOverRows) {
  const Tensor x = Tensor::from_values<double>({2, 2}, {1, 2, 3, 4});
  const Tensor b = vector_of({10, 100});
  EXPECT_EQ(max_difference(ops::add_channels(x, b),
                           Tensor::from_values<double>({2, 2}, {11, 102, 13, 104})),
            0);
  EXPECT_EQ(max_difference(ops::mul_channels(x, b),
                           Tensor::from_values<double>({2, 2}, {10, 200, 30, 400})),
            0);
  for (auto* op : {&ops::add_channels, &ops::mul_channels}) {
    EXPECT_TRUE(gradients_match([&](const Tensors& t) { return op(t[0], t[1]); },
                                {leaf(random_tensor({2, 3, 5}, 1)), leaf(random_tensor({5}, 2))}));
    EXPECT_EQ(op(Tensor::zeros({0, 3}), Tensor::zeros({3})).numel(), 0);
  }
}

TEST(Elementwise, ExtremesStayFinite) {
  const Tensor y = ops::sigmoid(vector_of({-1000, 1000, 0}, DType::f32));
  EXPECT_EQ(y.values<float>()[0], 0);
  EXPECT_EQ(y.values<float>()[1], 1);
  EXPECT_EQ(y.values<float>()[2], 0.5);
}

TEST(Elementwise, NanPasses) {
  const Tensor x = Tensor::full({33}, std::nan(""));
  for (const Tensor& y : {ops::relu(x), ops::clamp(x, 0, 1), ops::leaky_relu(x), ops::abs(x)}) {
    for (const float v : y.values<float>()) EXPECT_TRUE(std::isnan(v));
  }
}

TEST(Elementwise, KinksHaveTheStatedGradient) {
  const Tensor x = leaf(vector_of({0, -1, 1}));
  const auto gradient = [&](const Tensor& y) {
    Tensor(x).set_grad(Tensor());
    y.backward(vector_of({1, 1, 1}));
    return x.grad();
  };
  EXPECT_EQ(max_difference(gradient(ops::relu(x)), vector_of({0, 0, 1})), 0);
  EXPECT_EQ(max_difference(gradient(ops::abs(x)), vector_of({0, -1, 1})), 0);
  EXPECT_EQ(max_difference(gradient(ops::clamp(x, -1, 0)), vector_of({1, 1, 0})), 0);
}

TEST(Elementwise, NumberOfThreadsDoesNotMatter) {
  const auto run = [](int threads) {
    set_num_threads(threads);
    const Tensor x = leaf(random_tensor({3, 40009}, 4, -1, 1, DType::f32));
    const Tensor b = leaf(random_tensor({40009}, 5, -1, 1, DType::f32));
    const Tensor y = ops::relu(ops::mul_channels(x, b));
    y.backward(y.detach());
    set_num_threads(0);
    return Tensors{y, x.grad(), b.grad()};
  };
  const Tensors one = run(1);
  const Tensors three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(max_difference(one[i], three[i]), 0);
}

TEST(Elementwise, Messages) {
  const Tensor x = Tensor::zeros({2, 3});
  EXPECT_THROWS_WITH((void)ops::add(x, Tensor::zeros({3, 2})), ArgumentError,
                     "[add] b is f32 [3,2]");
  EXPECT_THROWS_WITH((void)ops::div(x, x.to(DType::f64)), ArgumentError, "one shape, dtype");
  EXPECT_THROWS_WITH((void)ops::mul_channels(x, Tensor::zeros({2})), ArgumentError,
                     "wanted f32 [3]");
  EXPECT_THROWS_WITH((void)ops::relu(x.to(DType::i32)), ArgumentError, "[relu] x is i32");
  EXPECT_THROWS_WITH((void)ops::clamp(x, 1, 0), ArgumentError, "low <= high");
}

}  // namespace
}  // namespace akimbo
