#include "models/estimators/pose_resnet.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/models/estimators/pose_resnet_golden.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

using test_support::RefLayout;

TEST(PoseResNet, NamesAndShapesAreThePublishedOnes) {
  const auto path = test_support::shared_path("data/golden/topdown/params_resnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const auto& [net, counts] : golden.at("counts").items()) {
    const PoseResNet network(options_of(net));
    const std::string same = golden.at("same_tensors").value(net, net);
    const Json& tensors = golden.at("tensors").at(same);
    const auto state = network.state();
    ASSERT_EQ(state.size(), tensors.size()) << net;
    for (std::size_t i = 0; i < state.size(); ++i) {
      EXPECT_EQ(state[i].first, tensors[i][0].get<std::string>()) << net;
      const Shape shape = test_support::reference_shape(state[i].second.shape(),
                                                        layout_of(state[i].first, state[i].second));
      EXPECT_EQ(shape.str(), shape_of(tensors[i][1]).str()) << net << " " << state[i].first;
    }
    EXPECT_EQ(network.num_parameters(), counts.at("learnable").get<std::int64_t>()) << net;
    const PoseResNet sixteen(options_of(net, 16));
    EXPECT_EQ(sixteen.num_parameters(), counts.at("learnable_16_joints").get<std::int64_t>());
  }
  for (const char* depth : {"18", "34"}) {
    const PoseResNet network(options_of(std::string("resnet") + depth + "_caffe"));
    EXPECT_EQ(
        network.num_parameters(),
        golden.at(std::string("caffe_with_") + depth + "_layers_learnable").get<std::int64_t>());
  }
}

TEST(PoseResNet, MultiplyAddsAreTheTrueOnes) {
  const auto path = test_support::shared_path("data/golden/topdown/params_resnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const char* net : {"resnet18", "resnet50_caffe"}) {
    PoseResNet network(options_of(net));
    EXPECT_EQ(count_macs(network, 256, 192),
              golden.at("counts").at(net).at("true_mac").at("256x192").get<std::int64_t>())
        << net;
    EXPECT_TRUE(network.is_training()) << "the mode is put back";
  }
}

// One case of forward_resnet.json. f32: the stored values are those of an f32 run whose distance
// from a double run is f64_rel, so ours may be as far again on the other side, four-fold for luck.
void check_forward(const Json& c) {
  const std::string net = c.at("net");
  const bool training = c.at("mode") == "train";
  const std::string what =
      net + " " + c.at("mode").get<std::string>() + " " + c.at("input").at(0).get<std::string>();
  auto network = golden_net(net, c.at("joints"));
  network->train(training);
  const Tensor x = test_support::golden_input(c.at("input").at(0).get<std::string>(),
                                              shape_of(c.at("input").at(1)));
  const double relative = 4 * c.at("f64_rel").get<double>();
  const autograd::NoGrad no_grad;
  const Tensor y = network->forward(x);
  test_support::expect_golden(c.at("output"), y, RefLayout::channels_second, relative, what);
  if (training) {
    const auto state = network->state();
    for (const auto& [name, tensor] : state) {
      if (c.at("running_after").contains(name)) {
        test_support::expect_golden(c.at("running_after").at(name), tensor, RefLayout::as_is,
                                    relative, what + " " + name);
      }
      if (name.ends_with("num_batches_tracked")) {
        EXPECT_EQ(tensor.item(), 1) << name;
      }
    }
  }
}

void check_forward_of(const std::vector<std::string>& nets, bool large_inputs) {
  const auto path = test_support::shared_path("data/golden/topdown/forward_resnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  int count = 0;
  for (const Json& c : golden.at("cases")) {
    const bool large = c.at("input").at(0) != "input_small";
    if (large != large_inputs) continue;
    if (std::find(nets.begin(), nets.end(), c.at("net").get<std::string>()) == nets.end()) continue;
    check_forward(c);
    ++count;
  }
  EXPECT_GT(count, 0);
}

TEST(PoseResNet, ForwardOf18IsTheReferences) { check_forward_of({"resnet18", "resnet34"}, false); }

TEST(PoseResNet, ForwardOf50IsTheReferences) {
  check_forward_of({"resnet50", "resnet50_caffe"}, false);
}

TEST(PoseResNet, ForwardOfDeepOnesIsTheReferences) {
  if (test_support::kSanitized) GTEST_SKIP() << test_support::kTooSlow;
  std::vector<std::string> nets = {"resnet101"};
  if (test_support::long_tests())
    nets = {"resnet101", "resnet101_caffe", "resnet152", "resnet152_caffe"};
  check_forward_of(nets, false);
}

TEST(PoseResNet, ForwardOfLargeInputsIsTheReferences) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_forward_of({"resnet50", "resnet50_caffe", "resnet152"}, true);
}

}  // namespace
}  // namespace akimbo::models
