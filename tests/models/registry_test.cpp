#include "models/registry.h"

#include <gtest/gtest.h>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/nn/init.h"

namespace akimbo::models {
namespace {

void expect_refused(const Json& section, const std::string& part) {
  try {
    (void)build_network(section, 17);
    ADD_FAILURE() << section.dump() << " was accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Registry, EveryNetworkBuildsFromItsDefaultsAndRuns) {
  for (const std::string& name : network_names()) {
    const auto network = build_network({{"name", name}}, 5);
    network->init(1);
    network->eval();
    const autograd::NoGrad no_grad;
    const Tensor y = network->forward(Tensor::full({1, 64, 96, 3}, 0.5));
    EXPECT_EQ(y.shape().str(), "[1,16,24,5]") << name;
    EXPECT_EQ(default_section(name).at("name"), name);
  }
}

TEST(Registry, HeadOptionsChangeTheNetwork) {
  const Json section = {{"name", "pose_resnet"},      {"depth", 18},
                        {"deconv_filters", {32, 16}}, {"deconv_kernels", {3, 2}},
                        {"deconv_with_bias", true},   {"final_kernel", 3}};
  const auto network = build_network(section, 4);
  network->init(1);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : network->named_parameters()) names.push_back(name);
  EXPECT_EQ(names[names.size() - 9], "deconv_layers.0.bias") << names[names.size() - 9];
  EXPECT_EQ(names.back(), "final_layer.bias");
  network->eval();
  const autograd::NoGrad no_grad;
  EXPECT_EQ(network->forward(Tensor::zeros({2, 64, 64, 3})).shape().str(), "[2,8,8,4]");
}

TEST(Registry, NoDeconvLayersIsANetworkToo) {
  const auto network = build_network({{"name", "pose_resnet"},
                                      {"depth", 18},
                                      {"deconv_filters", Json::array()},
                                      {"deconv_kernels", Json::array()}},
                                     4);
  network->eval();
  EXPECT_EQ(network->forward(Tensor::zeros({1, 64, 64, 3})).shape().str(), "[1,2,2,4]");
}

TEST(Registry, HeadStartsSmallAndTheSeedDecides) {
  const auto a = build_network({{"name", "pose_resnet"}, {"depth", 18}}, 4);
  const auto b = build_network({{"name", "pose_resnet"}, {"depth", 18}}, 4);
  a->init(3);
  b->init(3);
  const auto sa = a->state(), sb = b->state();
  for (std::size_t i = 0; i < sa.size(); ++i) {
    if (sa[i].second.dtype() != DType::f32) continue;
    for (std::int64_t k = 0; k < sa[i].second.numel(); k += 97) {
      ASSERT_EQ(sa[i].second.values<float>()[k], sb[i].second.values<float>()[k]) << sa[i].first;
      if (sa[i].first == "deconv_layers.3.weight") {
        ASSERT_LT(std::abs(sa[i].second.values<float>()[k]), 0.006f);  // six deviations
      }
    }
  }
}

// Without ImageNet weights, HRNet's repository gives every convolution small normal weights; only
// the last one's bias keeps the framework's default.
TEST(Registry, SmallNormalIsForTrainingsFromScratchOnly) {
  const Json section = {{"name", "pose_resnet"}, {"depth", 18},
                        {"width", 16},           {"deconv_filters", {16}},
                        {"deconv_kernels", {4}}, {"scratch_init", "small_normal"}};
  const auto network = build_network(section, 4);
  const auto largest = [&](const std::string& name) {
    float worst = 0;
    for (const auto& [known, tensor] : network->state()) {
      if (known != name) continue;
      for (const float v : tensor.values<float>()) worst = std::max(worst, std::abs(v));
    }
    return worst;
  };
  network->init(3);
  EXPECT_GT(largest("layer3.0.conv1.weight"), 0.03F);  // U(+-1 / sqrt(32 9))
  EXPECT_EQ(largest("final_layer.bias"), 0);
  network->init_from_scratch(3);
  EXPECT_LT(largest("layer3.0.conv1.weight"), 0.007F);
  EXPECT_GT(largest("layer3.0.conv1.weight"), 0.002F);
  EXPECT_LT(largest("deconv_layers.0.weight"), 0.007F);
  EXPECT_GT(largest("final_layer.bias"), 0.05F);  // U(+-1 / sqrt(16))
  EXPECT_LE(largest("final_layer.bias"), 0.25F);
  EXPECT_EQ(largest("layer1.0.bn1.weight"), 1);
}

TEST(Registry, WrongSectionsAreExplained) {
  expect_refused(Json::object(), "\"name\"");
  expect_refused({{"name", "pose_resnt"}}, "'pose_resnet'");
  expect_refused({{"name", "pose_resnet"}, {"dept", 50}}, "'depth'");
  expect_refused({{"name", "pose_resnet"}, {"depth", 51}}, "18, 34, 50, 101 and 152");
  expect_refused({{"name", "pose_resnet"}, {"depth", "50"}}, "whole number");
  expect_refused({{"name", "pose_resnet"}, {"style", "torch"}}, "\"caffe\"");
  expect_refused({{"name", "pose_resnet"}, {"style", "caffe"}, {"depth", 18}}, "50 or more");
  expect_refused({{"name", "pose_resnet"}, {"deconv_kernels", {4, 4, 5}}}, "4, 3 and 2");
  expect_refused({{"name", "pose_resnet"}, {"deconv_kernels", {4, 4}}}, "one per layer");
  expect_refused({{"name", "pose_resnet"}, {"deconv_filters", {256, 0, 256}}}, "at least 1");
  expect_refused({{"name", "pose_resnet"}, {"final_kernel", 5}}, "1 and 3");
  expect_refused({{"name", "pose_resnet"}, {"deconv_with_bias", 1}}, "true or false");
  expect_refused({{"name", "pose_resnet"}, {"scratch_init", "zero"}}, "small_normal");
  expect_refused({{"name", "pose_hrnet"}, {"width", 0}}, "1 to 1024");
  expect_refused({{"name", "pose_hrnet"}, {"modules", {1, 4}}}, "stages 2, 3 and 4");
}

}  // namespace
}  // namespace akimbo::models
