// Ops against what PyTorch gives in double (tests/parity/make_ops_fixture.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "engine/io/json.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pool.h"
#include "engine/ops/resample.h"
#include "engine/ops/softmax.h"
#include "tests/support/golden.h"
#include "tests/support/numeric_gradient.h"

namespace akimbo {
namespace {

using test_support::flat_numbers;
using test_support::leaf;
using test_support::RefLayout;

Tensor u(const char* name, const Shape& reference_shape) {
  return test_support::golden_input(name, reference_shape, RefLayout::channels_second, DType::f64);
}

// Values of order 1 and sums of tens of them, in double.
void expect_equal(const Json& expected, const Tensor& result, const std::string& what) {
  const std::vector<double> wanted = flat_numbers(expected.at("values"));
  const std::vector<double> given =
      test_support::reference_values(result, RefLayout::channels_second);
  ASSERT_EQ(given.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < given.size(); ++i) {
    EXPECT_NEAR(given[i], wanted[i], 1e-13) << what << " " << i;
  }
}

// Runs backward from u("grad_y") and compares y and the gradients of the named inputs.
void expect_case(const Json& expected, const Tensor& y, const std::map<std::string, Tensor>& inputs,
                 const std::string& what) {
  expect_equal(expected.at("y"), y, what + " y");
  y.backward(u("grad_y", test_support::reference_shape(y.shape(), RefLayout::channels_second)));
  for (const auto& [name, tensor] : inputs) {
    expect_equal(expected.at("grad_" + name), tensor.grad(), what + " grad_" + name);
  }
}

const Json& cases() {
  static const Json fixture =
      io::read_json(std::string(AKIMBO_TEST_DATA) + "/ops/pytorch.json").at("cases");
  return fixture;
}

TEST(AgainstPyTorch, FunctionsOfFeatureMaps) {
  using namespace ops;
  const std::map<std::string, std::function<Tensor(const Tensor&)>> functions = {
      {"max_pool", [](auto& x) { return max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"max_pool_ceil", [](auto& x) { return max_pool2d(x, {.kernel = 2, .ceil_mode = true}); }},
      {"max_pool_ceil_pad",
       [](auto& x) {
         return max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true});
       }},
      {"avg_pool", [](auto& x) { return avg_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"avg_pool_ceil",
       [](auto& x) {
         return avg_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true});
       }},
      {"avg_pool_no_pad",
       [](auto& x) {
         return avg_pool2d(x, {.kernel = 3,
                               .stride = 2,
                               .padding = 1,
                               .ceil_mode = true,
                               .count_include_pad = false});
       }},
      {"nearest_up", [](auto& x) { return upsample_nearest(x, 2); }},
      {"nearest_odd", [](auto& x) { return resize_nearest(x, {.height = 5, .width = 11}); }},
      {"bilinear_up", [](auto& x) { return resize_bilinear(x, {.height = 14, .width = 15}); }},
      {"bilinear_down", [](auto& x) { return resize_bilinear(x, {.height = 3, .width = 4}); }},
      {"bilinear_align_up",
       [](auto& x) {
         return resize_bilinear(x, {.height = 14, .width = 15, .align_corners = true});
       }},
      {"bilinear_align_down",
       [](auto& x) {
         return resize_bilinear(x, {.height = 3, .width = 1, .align_corners = true});
       }},
      {"softmax", [](auto& x) { return softmax(scale(x, 5)); }},
      {"log_softmax", [](auto& x) { return log_softmax(scale(x, 5)); }},
      {"sigmoid", [](auto& x) { return sigmoid(scale(x, 5)); }},
      {"leaky_relu", [](auto& x) { return leaky_relu(x, 0.1); }},
  };
  for (const auto& [name, function] : functions) {
    const Tensor x = leaf(u("x", {1, 2, 7, 6}));
    expect_case(cases().at(name), function(x), {{"x", x}}, name);
  }
}

TEST(AgainstPyTorch, BatchNorm) {
  for (const bool training : {true, false}) {
    const Json& expected = cases().at(training ? "batch_norm_train" : "batch_norm_eval");
    const Tensor x = leaf(u("x", {1, 2, 7, 6}));
    const Tensor residual = leaf(u("residual", {1, 2, 7, 6}));
    const Tensor gamma = leaf(u("gamma", {2}));
    const Tensor beta = leaf(u("beta", {2}));
    Tensor mean = u("mean", {2});
    Tensor var = ops::add_scalar(u("var", {2}), 1.5);
    const Tensor y =
        ops::batch_norm(x, gamma, beta, mean, var, {.training = training, .relu = true}, residual);
    expect_case(expected, y, {{"x", x}, {"gamma", gamma}, {"beta", beta}, {"residual", residual}},
                training ? "train" : "eval");
    expect_equal(expected.at("mean"), mean, "running mean");
    expect_equal(expected.at("var"), var, "running var");
  }
}

TEST(AgainstPyTorch, Losses) {
  const Tensor index = Tensor::from_values<std::int64_t>({4}, {4, 0, -100, 2});
  const std::map<std::string, std::function<Tensor(const Tensor&, const Tensor&)>> losses = {
      {"mse", [](auto& p, auto& t) { return ops::mse_loss(p, t); }},
      {"l1", [](auto& p, auto& t) { return ops::l1_loss(p, t); }},
      {"smooth_l1", [](auto& p, auto& t) { return ops::smooth_l1_loss(p, t, 0.5); }},
      {"cross_entropy", [&](auto& p, auto&) { return ops::cross_entropy(p, index); }},
  };
  for (const auto& [name, loss] : losses) {
    const Tensor pred = leaf(u("pred", {4, 5}));
    expect_case(cases().at(name), loss(ops::scale(pred, 2), u("target", {4, 5})), {{"pred", pred}},
                name);
  }
}

}  // namespace
}  // namespace akimbo
