// Every registered network as a plan.
#include "engine/plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "kernels/common/parallel.h"
#include "models/registry.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

Tensor random_images(const Shape& shape) {
  Tensor x = Tensor::empty(shape);
  RandomStream random(3);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(random.normal());
  }
  return x;
}

// Weights with which maps keep their size from layer to layer: those of a training's start are so
// small that the outputs would say nothing about the layers before the last.
void enliven(Network& network) {
  RandomStream random(9);
  for (auto& [name, parameter] : network.named_parameters()) {
    if (parameter.rank() != 4) continue;
    Tensor weight = parameter;
    const double fan_in = static_cast<double>(weight.numel() / weight.dim(0));
    const double deviation = std::sqrt(2 / fan_in);
    for (std::int64_t i = 0; i < weight.numel(); ++i) {
      weight.data<float>()[i] = static_cast<float>(random.normal(0, deviation));
    }
  }
}

TEST(NetworkPlan, GivesWhatTheNetworkGives) {
  for (const std::string& name : network_names()) {
    const auto network = build_network({{"name", name}}, 5);
    network->init(1);
    enliven(*network);
    network->eval();
    const autograd::NoGrad no_grad;
    const plan::Forward forward = [&](const Tensor& x) { return network->outputs(x); };
    const Shape shape{2, 64, 96, 3};
    plan::Plan plan(forward, shape, DType::f32, kCpu, network->named_parameters());

    const Tensor x = random_images(shape);
    const auto wanted = network->outputs(x);
    const auto& got = plan.run(x);
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto a = got[i].second.values<float>(), b = wanted[i].second.values<float>();
      double scale = 1e-3;
      for (const float v : b) scale = std::max(scale, std::abs(double{v}));
      EXPECT_GT(scale, 0.1) << name;
      for (std::size_t k = 0; k < b.size(); ++k) ASSERT_NEAR(a[k], b[k], 1e-5 * scale) << name;
    }

    const Tensor first = got[0].second.clone();
    for (const int threads : {1, 3}) {  // branches run side by side: the bits must not show it
      kernels::set_num_threads(threads);
      const auto a = plan.run(x)[0].second.values<float>(), b = first.values<float>();
      EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin())) << name << ", threads: " << threads;
    }
    kernels::set_num_threads(0);

    std::int64_t macs = 0;
    for (const plan::Node& node : plan.nodes()) {
      macs += plan::count_macs(node.step);
      EXPECT_NE(node.step.op, "add") << name << " " << node.layer;
      EXPECT_NE(node.step.op, "relu") << name << " " << node.layer;
    }
    EXPECT_EQ(macs, 2 * count_macs(*network, 64, 96)) << name;
    EXPECT_LT(plan.memory().planned_bytes, plan.memory().sum_bytes / 3) << name;
  }
}

// Errors of the heatmaps with factors in bf16, as shares of their deviation. Layers are random, so
// nothing that a training would find in the maps stands out of the rounding.
TEST(NetworkPlan, InBf16StaysNearF32) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  const ComputeMode mode = compute_mode();
  std::vector<Json> sections = {{{"name", "pose_resnet"}, {"depth", 18}},
                                {{"name", "pose_hrnet"}, {"width", 16}}};
  if (test_support::long_tests()) sections.push_back({{"name", "pose_hrnet"}, {"width", 48}});
  for (const Json& section : sections) {
    const auto network = build_network(section, 5);
    network->init(1);
    enliven(*network);
    network->eval();
    const autograd::NoGrad no_grad;
    const Tensor x = random_images({1, 128, 96, 3});
    const Tensor wanted = network->outputs(x).front().second;
    set_compute_mode({.bf16_inference = true});
    plan::Plan plan([&](const Tensor& images) { return network->outputs(images); }, x.shape(),
                    DType::f32, kCpu, network->named_parameters());
    const Tensor got = plan.run(x).front().second;
    set_compute_mode(mode);
    double mean = 0, squares = 0, errors = 0;
    const auto count = static_cast<double>(wanted.numel());
    for (const float v : wanted.values<float>()) mean += v / count;
    for (std::int64_t i = 0; i < wanted.numel(); ++i) {
      const double w = wanted.values<float>()[i], off = got.values<float>()[i] - w;
      squares += (w - mean) * (w - mean);
      errors += off * off;
    }
    const double share = std::sqrt(errors / squares);
    EXPECT_LT(share, 0.04) << section;
    EXPECT_GT(share, 1e-4) << section << " did not run in bf16";
  }
}

}  // namespace
}  // namespace akimbo::models
