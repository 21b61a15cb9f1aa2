// PoseHRNet against the published code: names, outputs, intermediate branches, gradients, training.
#include "models/estimators/pose_hrnet.h"

#include <gtest/gtest.h>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "tests/models/estimators/network_golden.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::models {
namespace {

using test_support::RefLayout;

// A network of the same build, small enough for every machine.
PoseHRNetOptions tiny() {
  return {.backbone = {.width = 4, .modules = {1, 1, 2}, .blocks = 1}, .num_keypoints = 5};
}

TEST(PoseHRNet, NamesAndShapesAreThePublishedOnes) {
  for (const std::string net : {"hrnet_w32", "hrnet_w48"}) {
    const auto path = test_support::shared_path("data/golden/topdown/params_" + net + ".json");
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    const Json golden = io::read_json(*path);
    expect_names_and_counts(net, golden.at("tensors"), golden.at("counts"));
    if (net == "hrnet_w48" && test_support::kSanitized) continue;
    EXPECT_EQ(count_macs(*make_net(net), 256, 192),
              golden.at("counts").at("true_mac").at("256x192").get<std::int64_t>());
  }
}

void check_forward_of(const std::string& net, bool large_inputs) {
  const auto path = test_support::shared_path("data/golden/topdown/forward_hrnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  int count = 0;
  for (const Json& c : golden.at("cases")) {
    if (c.at("net") != net || (c.at("input").at(0) != "input_small") != large_inputs) continue;
    expect_forward(c);
    ++count;
  }
  EXPECT_GT(count, 0);
}

TEST(PoseHRNet, ForwardOfW32IsTheReferences) { check_forward_of("hrnet_w32", false); }
TEST(PoseHRNet, ForwardOfW48IsTheReferences) {
  if (test_support::kSanitized) GTEST_SKIP() << test_support::kTooSlow;
  check_forward_of("hrnet_w48", false);
}
TEST(PoseHRNet, ForwardOfLargeInputsIsTheReferences) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_forward_of("hrnet_w32", true);
  check_forward_of("hrnet_w48", true);
}

TEST(PoseHRNet, BranchesOfEveryStageAreTheReferences) {
  const auto path = test_support::shared_path("data/golden/topdown/forward_hrnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  const Json& c = golden.at("cases").at(0);
  ASSERT_EQ(c.at("mode"), "eval");
  const auto network = golden_net(c.at("net"), 17);
  network->eval();
  HRNet& backbone = dynamic_cast<PoseHRNet&>(*network).backbone();
  const autograd::NoGrad no_grad;
  const double relative = 4 * c.at("f64_rel").get<double>();
  const auto expect_tap = [&](const std::string& tap, const Tensor& y) {
    test_support::expect_golden(c.at("taps").at(tap), y, RefLayout::channels_second, relative, tap);
  };
  const Tensor x = test_support::golden_input("input_small", shape_of(c.at("input").at(1)));
  std::vector<Tensor> branches = {backbone.layer1(backbone.stem(x))};
  expect_tap("layer1", branches.front());
  for (int number = 2; number <= 4; ++number) {
    branches = backbone.stage(number, branches);
    ASSERT_EQ(branches.size(), number == 4 ? 1U : static_cast<std::size_t>(number));
    for (std::size_t b = 0; b < branches.size(); ++b) {
      expect_tap(fmt::format("stage{}.out{}", number, b), branches[b]);
    }
  }
}

TEST(PoseHRNet, GradientsOfW32InEvalMode) {
  if (test_support::kSanitized) GTEST_SKIP() << test_support::kTooSlow;
  check_gradients("hrnet_w32", false);
}
TEST(PoseHRNet, GradientsOfW32InTrainMode) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_gradients("hrnet_w32", true);
}
TEST(PoseHRNet, AdamOnW32InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_hrnet.json", "hrnet_w32", "adam", false, 3});
}
TEST(PoseHRNet, AdamOnFrozenW32InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_hrnet.json", "hrnet_w32", "adam", true});
}

// A block of zero weights is relu(x), and a fusion of zero paths as well: what came in comes out.
TEST(PoseHRNet, ModuleOfZeroWeightsIsRelu) {
  PoseHRNet network(tiny());
  for (auto& [name, tensor] : network.state()) {
    const bool one = name.ends_with("running_var") || name.find("bn") != std::string::npos;
    tensor.fill(one && name.ends_with("weight") ? 1 : name.ends_with("running_var") ? 1 : 0);
  }
  network.eval();
  const autograd::NoGrad no_grad;
  const std::vector<Tensor> x = {test_support::random_tensor({1, 16, 8, 4}, 1).to(DType::f32),
                                 test_support::random_tensor({1, 8, 4, 8}, 2).to(DType::f32)};
  const std::vector<Tensor> y = network.backbone().stage(3, x);
  ASSERT_EQ(y.size(), 3U);
  for (std::size_t b = 0; b < 2; ++b) {
    ASSERT_EQ(y[b].shape(), x[b].shape());
    for (std::int64_t i = 0; i < x[b].numel(); ++i) {
      EXPECT_EQ(y[b].values<float>()[i], std::max(0.0F, x[b].values<float>()[i]));
    }
  }
  for (const float v : y[2].values<float>()) EXPECT_EQ(v, 0);
}

TEST(PoseHRNet, OutputShapeAtTwoSizes) {
  PoseHRNet network(tiny());
  network.init(1);
  network.eval();
  const autograd::NoGrad no_grad;
  EXPECT_EQ(network.forward(Tensor::full({2, 64, 32, 3}, 0.5)).shape(), Shape({2, 16, 8, 5}));
  EXPECT_EQ(network.forward(Tensor::full({1, 32, 96, 3}, 0.5)).shape(), Shape({1, 8, 24, 5}));
}

TEST(PoseHRNet, BadOptionsAndSizesAreRefused) {
  EXPECT_THROWS_WITH(HRNet({.width = 0}), ArgumentError, "width is 0");
  EXPECT_THROWS_WITH(HRNet({.modules = {1, 0, 1}}), ArgumentError, "at least 1");
  PoseHRNet network(tiny());
  EXPECT_THROWS_WITH(static_cast<void>(network.forward(Tensor::zeros({1, 48, 32, 3}))),
                     ArgumentError, "multiples of 32");
}

}  // namespace
}  // namespace akimbo::models
