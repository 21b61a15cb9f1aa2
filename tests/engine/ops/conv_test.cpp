#include "engine/ops/conv.h"

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

// 3x3 picture 1..9, filter [[1,2],[3,4]]: worked out by hand.
TEST(Conv2d, HandComputed) {
  const Tensor x = Tensor::from_values<float>({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Tensor w = Tensor::from_values<float>({1, 2, 2, 1}, {1, 2, 3, 4});
  const Tensor bias = Tensor::from_values<float>({1}, {100});
  EXPECT_EQ(floats(ops::conv2d(x, w)), (std::vector<float>{37, 47, 67, 77}));
  EXPECT_EQ(floats(ops::conv2d(x, w, bias)), (std::vector<float>{137, 147, 167, 177}));
  EXPECT_EQ(floats(ops::conv2d(x, w, {}, {.stride = 2, .padding = 1})),
            (std::vector<float>{4, 18, 36, 77}));
  EXPECT_EQ(floats(ops::conv2d(x, w, {}, {.dilation = 2})), (std::vector<float>{1 + 6 + 21 + 36}));
}

TEST(Conv2d, HandComputedGroups) {
  // Two groups of two inputs and one output each.
  const Tensor x = Tensor::from_values<float>({1, 1, 1, 4}, {1, 2, 3, 4});
  const Tensor w = Tensor::from_values<float>({2, 1, 1, 2}, {10, 100, 10, 100});
  EXPECT_EQ(floats(ops::conv2d(x, w, {}, {.groups = 2})), (std::vector<float>{210, 430}));
}

// Each input pixel spreads the filter over a block; with a 1x3 filter and stride 2 they overlap.
TEST(ConvTranspose2d, HandComputed) {
  const Tensor x = Tensor::from_values<float>({1, 1, 2, 1}, {1, 10});
  const Tensor w = Tensor::from_values<float>({1, 2, 2, 1}, {1, 2, 3, 4});
  EXPECT_EQ(floats(ops::conv_transpose2d(x, w, {}, {.stride = 2})),
            (std::vector<float>{1, 2, 10, 20, 3, 4, 30, 40}));
  const Tensor w3 = Tensor::from_values<float>({1, 1, 3, 1}, {1, 2, 3});
  EXPECT_EQ(floats(ops::conv_transpose2d(x, w3, {}, {.stride = 2})),
            (std::vector<float>{1, 2, 3 + 10, 20, 30}));
  EXPECT_EQ(floats(ops::conv_transpose2d(Tensor::from_values<float>({1, 2, 1, 1}, {1, 10}),
                                         w3.view({1, 3, 1, 1}))),
            (std::vector<float>{1, 12, 23, 30}));
}

struct GradientCase {
  Shape x, w;
  ops::Conv2dOptions options;
};

TEST(Conv2d, NumericGradient) {
  const std::vector<GradientCase> cases = {
      {{2, 5, 4, 3}, {5, 3, 3, 3}, {.stride = 1, .padding = 1}},
      {{1, 7, 5, 2}, {3, 3, 3, 2}, {.stride = 2, .padding = 1}},
      {{1, 6, 7, 1}, {2, 2, 3, 1}, {.stride = 3, .padding = 2, .dilation = 2}},
      {{1, 5, 5, 4}, {6, 3, 3, 2}, {.stride = 2, .padding = 1, .groups = 2}},
      {{1, 4, 5, 3}, {6, 3, 3, 1}, {.stride = 1, .padding = 1, .groups = 3}},
      {{1, 4, 4, 3}, {2, 1, 1, 3}, {.stride = 2}},
      {{1, 9, 8, 1}, {2, 7, 7, 1}, {.stride = 2, .padding = 3}},
  };
  for (const GradientCase& c : cases) {
    SCOPED_TRACE(c.x.str() + " * " + c.w.str());
    expect_numeric_gradient(
        [&](const std::vector<Tensor>& in) { return ops::conv2d(in[0], in[1], in[2], c.options); },
        {random_tensor(c.x, 1), random_tensor(c.w, 2), random_tensor({c.w[0]}, 3)});
  }
}

TEST(ConvTranspose2d, NumericGradient) {
  struct Case {
    Shape x, w;
    ops::ConvTranspose2dOptions options;
  };
  const std::vector<Case> cases = {
      {{2, 3, 2, 3}, {4, 4, 4, 3}, {.stride = 2, .padding = 1}},
      {{1, 3, 4, 2}, {3, 3, 3, 2}, {.stride = 2, .padding = 1, .output_padding = 1}},
      {{1, 4, 3, 2}, {2, 3, 2, 2}, {.stride = 1}},
      {{1, 3, 3, 4}, {6, 2, 2, 2}, {.stride = 3, .output_padding = 2, .groups = 2}},
      {{1, 3, 3, 2}, {3, 3, 3, 2}, {.stride = 2, .padding = 2, .dilation = 2}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.x.str() + " * " + c.w.str());
    expect_numeric_gradient(
        [&](const std::vector<Tensor>& in) {
          return ops::conv_transpose2d(in[0], in[1], in[2], c.options);
        },
        {random_tensor(c.x, 1), random_tensor(c.w, 2), random_tensor({c.w[0]}, 3)});
  }
}

TEST(Conv2d, GradientOfOneInputAlone) {
  const Tensor x = random_tensor({1, 3, 3, 2}, 1);
  Tensor w = random_tensor({2, 3, 3, 2}, 2);
  w.set_requires_grad();
  const Tensor y = ops::conv2d(x, w);
  y.backward(random_tensor(y.shape(), 3));
  EXPECT_TRUE(w.grad().defined());
  EXPECT_FALSE(x.grad().defined());
}

TEST(Conv2d, InferenceEpilogue) {
  const Tensor x = Tensor::from_values<float>({1, 1, 2, 1}, {1, -1});
  const Tensor w = Tensor::from_values<float>({2, 1, 1, 1}, {1, 2});
  const ops::ConvEpilogue all{.scale = Tensor::from_values<float>({2}, {10, 100}),
                              .shift = Tensor::from_values<float>({2}, {1, 2}),
                              .residual = Tensor::from_values<float>({1, 1, 2, 2}, {0, 0, 0, 500}),
                              .relu = true};
  // [1, 2], [-1, -2] times scale, plus shift: [11, 202], [-9, -198]; then residual, then ReLU.
  EXPECT_EQ(floats(ops::conv2d_inference(x, w, all)), (std::vector<float>{11, 202, 0, 302}));
  EXPECT_EQ(floats(ops::conv2d_inference(x, w, {.shift = all.shift})),
            (std::vector<float>{2, 4, 0, 0}));
  EXPECT_EQ(floats(ops::conv_transpose2d_inference(x, w, all)),
            (std::vector<float>{11, 202, 0, 302}));
}

TEST(Conv2d, PackedWeightFollowsItsSource) {
  const Tensor x = random_tensor({1, 5, 5, 3}, 1, DType::f32);
  Tensor w = random_tensor({4, 3, 3, 3}, 2, DType::f32);
  ops::PackedConvWeight packed;
  const auto packed_result = [&] { return ops::conv2d_inference(x, w, {}, {}, &packed); };
  EXPECT_EQ(floats(packed_result()), floats(ops::conv2d_inference(x, w)));
  EXPECT_EQ(floats(packed_result()), floats(ops::conv2d_inference(x, w)));
  w.fill(0.5);
  EXPECT_EQ(floats(packed_result()), floats(ops::conv2d_inference(x, w)));
  w = random_tensor({2, 1, 1, 3}, 3, DType::f32);
  EXPECT_EQ(floats(packed_result()), floats(ops::conv2d_inference(x, w)));
  EXPECT_EQ(floats(ops::conv_transpose2d_inference(x, w, {}, {.stride = 2}, &packed)),
            floats(ops::conv_transpose2d_inference(x, w, {}, {.stride = 2})));
}

TEST(Conv2d, EmptyBatch) {
  const Tensor y = ops::conv2d(Tensor::zeros({0, 4, 4, 2}), Tensor::zeros({3, 3, 3, 2}));
  EXPECT_EQ(y.shape(), Shape({0, 2, 2, 3}));
}

void expect_message(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown; wanted: " << part;
  } catch (const ArgumentError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Conv2d, Messages) {
  const Tensor x = Tensor::zeros({1, 4, 4, 32});
  const Tensor w = Tensor::zeros({64, 3, 3, 16});
  const Tensor good = Tensor::zeros({64, 3, 3, 32});
  expect_message([&] { (void)ops::conv2d(x, w); },
                 "[conv2d] x has 32 channels, but w [64,3,3,16] with groups = 1 takes 16; pass "
                 "groups = 2 or a weight [64,3,3,32]");
  expect_message([&] { (void)ops::conv2d(x, good, {}, {.stride = 0}); }, "stride = 0");
  expect_message([&] { (void)ops::conv2d(x.view({4, 4, 32}), good); }, "x is [4,4,32]");
  expect_message([&] { (void)ops::conv2d(x.to(DType::f64), good); }, "x is f64 and w is f32");
  expect_message([&] { (void)ops::conv2d(x, good, Tensor::zeros({3})); }, "bias is f32 [3]");
  expect_message(
      [&] {
        (void)ops::conv2d(x, Tensor::zeros({3, 3, 3, 16}), {}, {.groups = 2});
      },
      "divide into 2 groups");
  expect_message([&] { (void)ops::conv2d(x, Tensor::zeros({1, 5, 5, 32})); }, "too small");
  expect_message(
      [&] {
        (void)ops::conv2d_inference(x, good, {.residual = Tensor::zeros({1, 4, 4, 64})});
      },
      "residual is f32 [1,4,4,64]");
  expect_message(
      [&] { (void)ops::conv_transpose2d(x, good, {}, {.stride = 2, .output_padding = 2}); },
      "output_padding = 2");
}

}  // namespace
}  // namespace akimbo
