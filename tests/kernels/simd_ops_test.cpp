// The vectorised loops of norm, pool and elementwise under every instruction set of this machine,
// against the plain loops in double, at widths around those of the vectors.
#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/norm.h"
#include "engine/ops/pool.h"
#include "kernels/cpu/simd_target.h"
#include "tests/support/numeric_gradient.h"

namespace akimbo {
namespace {

using test_support::distinct_tensor;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;

constexpr std::int64_t kWidths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65};
constexpr double kEps = 6e-8;

class SimdOps : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { kernels::cpu::use_simd_target(GetParam()); }
  void TearDown() override { kernels::cpu::use_simd_target(""); }
};

struct Result {
  Tensor y, grad_x;
};

Result norm_relu(const Tensor& input, bool with_residual) {
  const Tensor x = leaf(input.clone());
  const Shape channels{x.dim(-1)};
  const Tensor gamma = random_tensor(channels, 2, 0.5, 1.5, DType::f32).to(x.dtype());
  const Tensor beta = random_tensor(channels, 3, DType::f32).to(x.dtype());
  const Tensor residual = random_tensor(x.shape(), 4, DType::f32).to(x.dtype());
  Tensor mean, var;
  const Tensor y = ops::batch_norm(x, gamma, beta, mean, var, {.training = true, .relu = true},
                                   with_residual ? leaf(residual) : Tensor());
  y.backward(random_tensor(x.shape(), 5, DType::f32).to(x.dtype()));
  return {y, x.grad()};
}

TEST_P(SimdOps, BatchNorm) {
  for (const std::int64_t width : kWidths) {
    for (const bool with_residual : {true, false}) {
      const Tensor x = random_tensor({2, 5, 3, width}, 1, -1, 1, DType::f32);
      const Result narrow = norm_relu(x, with_residual);
      const Result wide = norm_relu(x.to(DType::f64), with_residual);
      EXPECT_LT(max_difference(narrow.y, wide.y), 32 * kEps) << width;
      EXPECT_LT(max_difference(narrow.grad_x, wide.grad_x), 64 * kEps) << width;
    }
  }
}

Result pooled(const Tensor& input) {
  const Tensor x = leaf(input.clone());
  const Tensor y = ops::max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
  y.backward(random_tensor(y.shape(), 5, DType::f32).to(x.dtype()));
  return {y, x.grad()};
}

TEST_P(SimdOps, MaxPool) {
  for (const std::int64_t width : kWidths) {
    const Tensor x = distinct_tensor({2, 5, 4, width}, 1, -1, 1, DType::f32);
    const Result narrow = pooled(x);
    const Result wide = pooled(x.to(DType::f64));
    EXPECT_EQ(max_difference(narrow.y, wide.y), 0) << width;
    EXPECT_LT(max_difference(narrow.grad_x, wide.grad_x), 8 * kEps) << width;
  }
}

TEST_P(SimdOps, AddAndRelu) {
  for (const std::int64_t width : kWidths) {
    const Tensor a = leaf(random_tensor({width}, 1, -1, 1, DType::f32));
    const Tensor b = random_tensor({width}, 2, -1, 1, DType::f32);
    const Tensor y = ops::relu(ops::add(a, b));
    y.backward(b);
    const auto va = a.values<float>(), vb = b.values<float>();
    for (std::size_t i = 0; i < va.size(); ++i) {
      const float sum = va[i] + vb[i];
      EXPECT_EQ(y.values<float>()[i], sum > 0 ? sum : 0);
      EXPECT_EQ(a.grad().values<float>()[i], sum > 0 ? vb[i] : 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, SimdOps, testing::ValuesIn(kernels::cpu::simd_targets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace akimbo
