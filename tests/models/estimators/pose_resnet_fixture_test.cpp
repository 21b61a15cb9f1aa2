// Outputs, gradients and losses against PyTorch's in double, from tests/data: small enough for
// every build and machine. tests/parity/make_pose_resnet_fixture.py makes the values.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/node.h"
#include "engine/ops/loss.h"
#include "engine/optim/optimizer.h"
#include "tests/models/estimators/network_golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

using test_support::RefLayout;

Json fixture() {
  return io::read_json(std::string(AKIMBO_TEST_DATA) + "/topdown/pose_resnet.json");
}

Tensor fixture_input(const Json& content, DType dtype) {
  return test_support::golden_input(content.at("input")[0].get<std::string>(),
                                    shape_of(content.at("input")[1]), RefLayout::channels_second,
                                    dtype);
}

// In double the stored digits decide; in float, some hundred roundings per element of a deep net
// leave 1e-6 in eval mode, and batch statistics of eight values multiply that by up to a hundred.
void expect_outputs(DType dtype, double eval_relative, double train_relative) {
  const Json content = fixture();
  for (const Json& c : content.at("outputs")) {
    const std::string net = c.at("net");
    auto network = golden_net(net, 17, dtype);
    const autograd::NoGrad no_grad;
    const Tensor x = fixture_input(content, dtype);
    network->eval();
    test_support::expect_golden(c.at("eval"), network->forward(x), RefLayout::channels_second,
                                eval_relative, net + " eval");
    network->train();
    test_support::expect_golden(c.at("train"), network->forward(x), RefLayout::channels_second,
                                train_relative, net + " train");
    for (const auto& [name, tensor] : network->state()) {
      if (!c.contains(name)) continue;
      test_support::expect_golden(c.at(name), tensor, RefLayout::as_is, eval_relative, net + name);
    }
  }
}

TEST(PoseResNetFixture, OutputsInDouble) { expect_outputs(DType::f64, 1e-10, 1e-9); }

TEST(PoseResNetFixture, OutputsInFloat) { expect_outputs(DType::f32, 5e-6, 2e-3); }

TEST(PoseResNetFixture, GradientsInDouble) {
  const Json content = fixture();
  for (const Json& c : content.at("gradients")) {
    if (test_support::kSanitized && c.at("net") != "resnet18") continue;  // too slow there
    auto network = golden_net(c.at("net"), 17, DType::f64);
    network->eval();
    Tensor x = fixture_input(content, DType::f64);
    x.set_requires_grad();
    const Tensor y = network->forward(x);
    y.backward(test_support::golden_input(
        "fixture_grad", test_support::reference_shape(y.shape(), RefLayout::channels_second),
        RefLayout::channels_second, DType::f64));
    test_support::expect_golden(c.at("input"), x.grad(), RefLayout::channels_second, 1e-9, "input");
    const auto parameters = network->named_parameters();
    ASSERT_EQ(parameters.size(), c.at("l2").size());
    for (const auto& [name, parameter] : parameters) {
      const double l2 = c.at("l2").at(name);
      EXPECT_NEAR(test_support::l2_norm(parameter.grad()), l2, 1e-9 * l2) << name;
    }
  }
}

void expect_losses(const Json& content, const Json& run, const char* key, bool training) {
  auto network = golden_net(run.at("net"), 17, DType::f64);
  network->train(training);
  const Tensor x = fixture_input(content, DType::f64);
  const Tensor target = test_support::golden_input("fixture_target", {2, 17, 16, 16},
                                                   RefLayout::channels_second, DType::f64);
  Tensor weight =
      test_support::golden_input("fixture_weight", {2, 17}, RefLayout::as_is, DType::f64);
  for (std::int64_t i = 0; i < weight.numel(); ++i) {
    double& w = weight.data<double>()[i];
    w = w > -0.5 ? 1 : 0;
  }
  optim::Adam adam(network->named_parameters());
  const Json& losses = run.at(key);
  for (std::size_t step = 0; step < losses.size(); ++step) {
    const Tensor loss = ops::joints_mse(network->forward(x), target, weight);
    const double expected = losses[step];
    EXPECT_NEAR(loss.item(), expected, 1e-7 * expected) << key << " " << step;
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
}

void expect_losses_of_all(const char* key, bool training) {
  const Json content = fixture();
  for (const Json& run : content.at("training")) {
    if (test_support::kSanitized && run.at("net") != "resnet18") continue;  // too slow there
    SCOPED_TRACE(run.at("net"));
    expect_losses(content, run, key, training);
  }
}

TEST(PoseResNetFixture, AdamLossesInDouble) { expect_losses_of_all("adam_losses", true); }

TEST(PoseResNetFixture, FrozenAdamLossesInDouble) {
  expect_losses_of_all("frozen_adam_losses", false);
}

}  // namespace
}  // namespace akimbo::models
