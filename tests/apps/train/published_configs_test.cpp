// Every published experiment, shipped as a config, builds its network and learns from one batch:
// forward pass, loss, backward pass, update. The pictures are cut to 64x64, the networks are whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "apps/config/load.h"
#include "apps/train/train_step.h"
#include "datasets/meta.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/shared_data.h"

namespace akimbo::apps {
namespace {

std::vector<std::string> published_configs() {
  std::vector<std::string> names;
  for (const std::string& name : list_configs()) {
    for (const char* folder :
         {"simple_baseline/coco/", "simple_baseline/mpii/", "hrnet/coco/", "hrnet/mpii/"}) {
      if (name.find(folder) != std::string::npos) names.push_back(name);
    }
  }
  return names;
}

DeviceBatch random_batch(std::int64_t num_keypoints) {
  DeviceBatch batch;
  batch.input = test_support::random_tensor({2, 64, 64, 3}, 1, -2, 2, DType::f32);
  batch.target = test_support::random_tensor({2, 16, 16, num_keypoints}, 2, 0, 1, DType::f32);
  batch.weight = Tensor::full({2, num_keypoints}, 1);
  return batch;
}

class PublishedConfig : public ::testing::TestWithParam<std::string> {};

TEST_P(PublishedConfig, TrainsOneStep) {
  const auto is_of = [](const char* part) { return GetParam().find(part) != std::string::npos; };
  const bool is_light = is_of("hrnet/mpii/res50") || is_of("hrnet/mpii/w32");
  if (test_support::kSanitized && !is_light) GTEST_SKIP() << test_support::kTooSlow;
  Config config = load_config(find_config(GetParam()));
  config.codec.input_size = {64, 64};
  config.codec.heatmap_size = {16, 16};
  const Skeleton skeleton = datasets::skeleton_by_name(config.skeleton);
  TrainState state(config, skeleton, kCpu);
  const Tensor parameter = state.network().named_parameters().front().second;
  const Tensor before = parameter.clone();
  TrainStep step(state);
  step.run(random_batch(skeleton.num_keypoints()), config.train.optimizer.lr);
  const double loss = step.finish().loss;
  // Fresh heads give maps near 0, so the loss is half the mean square of the targets: 1 / 6.
  EXPECT_NEAR(loss, 1.0 / 6, 0.02);
  EXPECT_EQ(step.output().shape(), Shape({2, 16, 16, skeleton.num_keypoints()}));
  // Adam's first step moves a weight by the learning rate.
  EXPECT_NEAR(test_support::max_difference(parameter, before), 1e-3, 1e-4);
  state.check_finite("");
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.substr(0, info.param.find(".json"));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, PublishedConfig, ::testing::ValuesIn(published_configs()), test_name);

TEST(PublishedConfigs, AreThirty) { EXPECT_EQ(published_configs().size(), 30U); }

// The losses that a config may name instead, on a small network.
TEST(PublishedConfigs, TrainWithEveryLoss) {
  for (const char* loss : {"loss.type=joints_ohkm", "loss.use_keypoint_weights=true",
                           "loss.use_target_weight=false"}) {
    SCOPED_TRACE(loss);
    Config config =
        load_config(find_config("body2d/simple_baseline/coco_sample/res18_256x192_overfit"),
                    {loss, "codec.input_size=[64,64]", "codec.heatmap_size=[16,16]"});
    TrainState state(config, datasets::skeleton_by_name("coco"), kCpu);
    TrainStep step(state);
    double first = 0;
    for (int i = 0; i < 5; ++i) {
      step.run(random_batch(17), 1e-2);
      const double value = step.finish().loss;
      if (i == 0) first = value;
      EXPECT_TRUE(std::isfinite(value));
      if (i == 4) EXPECT_LT(value, first);
    }
  }
}

TEST(PublishedConfigs, TooManyHardKeypointsAreRefused) {
  Config config =
      load_config(find_config("body2d/simple_baseline/coco_sample/res18_256x192_overfit"),
                  {"loss.type=joints_ohkm", "loss.top_k=18", "codec.input_size=[64,64]",
                   "codec.heatmap_size=[16,16]"});
  TrainState state(config, datasets::skeleton_by_name("coco"), kCpu);
  TrainStep step(state);
  EXPECT_THROW(step.run(random_batch(17), 1e-3), ConfigError);
}

}  // namespace
}  // namespace akimbo::apps
