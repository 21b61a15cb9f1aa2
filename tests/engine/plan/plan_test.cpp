#include "engine/plan/plan.h"

#include <gtest/gtest.h>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/ops/conv.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gather.h"
#include "engine/ops/pool.h"
#include "engine/ops/resample.h"
#include "engine/ops/softmax.h"
#include "tests/support/throws.h"

namespace akimbo::plan {
namespace {

Tensor random_map(const Shape& shape, std::uint64_t seed) {
  Tensor x = Tensor::empty(shape);
  RandomStream random(seed);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(random.uniform(-1, 1));
  }
  return x;
}

std::vector<std::string> ops_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const Node& node : plan.nodes()) names.push_back(node.step.op);
  return names;
}

const Shape kShape{2, 8, 6, 4};

// The plan, run on inputs that its trace has not seen, gives what `forward` gives.
void expect_as_eager(Plan& plan, const Forward& forward, double tolerance) {
  const autograd::NoGrad no_grad;
  for (const std::uint64_t seed : {11, 12}) {
    const Tensor x = random_map(kShape, seed);
    const NamedTensors wanted = forward(x);
    const NamedTensors& got = plan.run(x);
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(got[i].first, wanted[i].first);
      ASSERT_EQ(got[i].second.shape().str(), wanted[i].second.shape().str());
      for (std::int64_t k = 0; k < wanted[i].second.numel(); ++k) {
        ASSERT_NEAR(got[i].second.values<float>()[k], wanted[i].second.values<float>()[k],
                    tolerance)
            << wanted[i].first << " " << k;
      }
    }
  }
}

Plan plan_of(const Forward& forward) { return Plan(forward, kShape, DType::f32, kCpu); }

Tensor conv(int seed, const Tensor& x, const Tensor& residual = {}) {
  return ops::conv2d_inference(x, random_map({4, 1, 1, 4}, static_cast<std::uint64_t>(seed)),
                               {.residual = residual});
}

TEST(Plan, EveryTraceableOpGivesWhatItGivesEagerly) {
  const Forward forward = [](const Tensor& x) -> NamedTensors {
    const Tensor a = conv(1, x), b = ops::sigmoid(conv(2, x));
    const Tensor pooled = ops::max_pool2d(ops::mul(a, b), {.kernel = 2});
    const Tensor averaged = ops::avg_pool2d(ops::sub(a, b), {.kernel = 2});
    const Tensor joined = ops::concat({pooled, ops::div(averaged, ops::exp(pooled))}, 3);
    const Tensor up = ops::conv_transpose2d_inference(joined, random_map({3, 4, 4, 8}, 3),
                                                      {.relu = true}, {.stride = 2, .padding = 1});
    return {{"joined", joined},
            {"resized", ops::resize_bilinear(up, {.height = 5, .width = 7})},
            {"vector", ops::global_avg_pool2d(up)}};
  };
  Plan plan = plan_of(forward);
  expect_as_eager(plan, forward, 0);
  EXPECT_LT(plan.memory().planned_bytes, plan.memory().sum_bytes);
}

TEST(Plan, ReluAndSumGoIntoTheConvolution) {
  const Forward forward = [](const Tensor& x) -> NamedTensors {
    return {{"y", ops::relu(ops::add(conv(1, x), x))}};
  };
  Plan plan = plan_of(forward);
  EXPECT_EQ(ops_of(plan), std::vector<std::string>{"conv2d"});
  expect_as_eager(plan, forward, 1e-6);
}

// What HRNet's exchange does: paths that each add to the sum before, then the branch's own map,
// which is made last here, then coarser maps.
TEST(Plan, ChainsOfSumsTakeTheOtherSideAtTheirBeginning) {
  const Forward forward = [](const Tensor& x) -> NamedTensors {
    const Tensor sum = conv(2, x, conv(1, x));
    const Tensor own = conv(3, x), coarse = ops::max_pool2d(x, {.kernel = 2});
    return {{"y", ops::relu(ops::add(ops::add(sum, own), ops::upsample_nearest(coarse, 2)))}};
  };
  Plan plan = plan_of(forward);
  EXPECT_EQ(ops_of(plan),
            (std::vector<std::string>{"conv2d", "conv2d", "conv2d", "max_pool2d", "resize_add"}));
  expect_as_eager(plan, forward, 1e-6);
  // Two maps of the input's size live at a time, since the last pass writes over the sum; the coarse
  // one, a quarter of the size, may be made beside them.
  EXPECT_EQ(plan.memory().planned_bytes, (8u + 1) * 2 * 4 * 3 * 4 * 4);
}

TEST(Plan, WhatOthersReadIsNotFusedAway) {
  const Forward forward = [](const Tensor& x) -> NamedTensors {
    const Tensor a = conv(1, x), r = ops::relu(a), up = ops::upsample_nearest(a, 2);
    const Tensor sum = ops::add(a, conv(2, r));
    return {{"a", a}, {"sum", ops::relu(sum)}, {"up", up}, {"twice", ops::add(up, up)}};
  };
  Plan plan = plan_of(forward);
  expect_as_eager(plan, forward, 1e-6);
}

// relu(conv(x)) + z must not become relu(conv(x) + z).
TEST(Plan, ASumDoesNotPassARelu) {
  const Forward forward = [](const Tensor& x) -> NamedTensors {
    const Tensor a = ops::conv2d_inference(x, random_map({4, 1, 1, 4}, 1), {.relu = true});
    return {{"y", ops::add(a, x)}};
  };
  Plan plan = plan_of(forward);
  EXPECT_EQ(ops_of(plan), (std::vector<std::string>{"conv2d", "add"}));
  expect_as_eager(plan, forward, 0);
}

TEST(Plan, NamesLayersAndCountsTheirProducts) {
  const Tensor weight = random_map({4, 3, 3, 4}, 5);
  const Forward forward = [&](const Tensor& x) -> NamedTensors {
    return {{"y", ops::relu(ops::max_pool2d(
                      ops::conv2d_inference(x, weight, {}, {.stride = 2, .padding = 1}),
                      {.kernel = 2}))}};
  };
  Plan plan(forward, kShape, DType::f32, kCpu, {{"stem.conv.weight", weight}});
  ASSERT_EQ(plan.nodes().size(), 3u);
  EXPECT_EQ(plan.nodes()[0].layer, "stem.conv");
  EXPECT_EQ(plan.nodes()[1].layer, "max_pool2d_1");
  EXPECT_EQ(count_macs(plan.nodes()[0].step), 2 * 4 * 3 * 4 * 9 * 4);
  EXPECT_EQ(count_macs(plan.nodes()[1].step), 0);
  const std::vector<double> seconds = plan.profile(random_map(kShape, 1));
  ASSERT_EQ(seconds.size(), 3u);
  for (const double s : seconds) EXPECT_GE(s, 0);
}

TEST(Plan, UntraceableOpsAndWrongInputsAreExplained) {
  const Forward middle = [](const Tensor& x) -> NamedTensors {
    return {{"y", ops::relu(ops::softmax(x))}};
  };
  EXPECT_THROWS_WITH(plan_of(middle), Error, "relu_1 reads a map [2,8,6,4] made by an op that");
  const Forward end = [](const Tensor& x) -> NamedTensors { return {{"y", ops::softmax(x)}}; };
  EXPECT_THROWS_WITH(plan_of(end), Error, "output \"y\" reads");
  const Forward itself = [](const Tensor& x) -> NamedTensors { return {{"y", x}}; };
  EXPECT_THROWS_WITH(plan_of(itself), Error, "is the input itself");
  Plan plan = plan_of([](const Tensor& x) -> NamedTensors { return {{"y", ops::relu(x)}}; });
  EXPECT_THROWS_WITH((void)plan.run(Tensor::zeros({1, 8, 6, 4})), ArgumentError,
                     "this plan was made for f32 [2,8,6,4]");
}

}  // namespace
}  // namespace akimbo::plan
