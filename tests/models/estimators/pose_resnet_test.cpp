// PoseResNet against the published code.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/io/json.h"
#include "tests/models/estimators/network_golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

TEST(PoseResNet, NamesAndShapesAreThePublishedOnes) {
  const auto path = test_support::shared_path("data/golden/topdown/params_resnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const auto& [net, counts] : golden.at("counts").items()) {
    const std::string same = golden.at("same_tensors").value(net, net);
    expect_names_and_counts(net, golden.at("tensors").at(same), counts);
  }
  for (const char* depth : {"18", "34"}) {
    EXPECT_EQ(
        make_net(std::string("resnet") + depth + "_caffe")->num_parameters(),
        golden.at(std::string("caffe_with_") + depth + "_layers_learnable").get<std::int64_t>());
  }
}

TEST(PoseResNet, MultiplyAddsAreTheTrueOnes) {
  const auto path = test_support::shared_path("data/golden/topdown/params_resnet.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const char* net : {"resnet18", "resnet50_caffe"}) {
    const auto network = make_net(net);
    EXPECT_EQ(count_macs(*network, 256, 192),
              golden.at("counts").at(net).at("true_mac").at("256x192").get<std::int64_t>())
        << net;
    EXPECT_TRUE(network->is_training()) << "the mode is put back";
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
    expect_forward(c);
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
