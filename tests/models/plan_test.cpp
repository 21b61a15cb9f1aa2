// Every registered network as a plan.
#include "engine/plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "models/registry.h"

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

TEST(NetworkPlan, GivesWhatTheNetworkGives) {
  for (const std::string& name : network_names()) {
    const auto network = build_network({{"name", name}}, 5);
    network->init(1);
    // Heads begin near zero; the comparison wants outputs of some size.
    for (auto& [key, tensor] : network->named_parameters()) {
      if (key == "final_layer.bias") Tensor(tensor).fill(0.5);
    }
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
      for (std::size_t k = 0; k < b.size(); ++k) ASSERT_NEAR(a[k], b[k], 1e-5 * scale) << name;
    }

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

}  // namespace
}  // namespace akimbo::models
