// Networks of a few channels that train for a few steps on random pictures, for comparisons of ways
// to run them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "apps/train/train_step.h"
#include "datasets/meta.h"
#include "engine/core/random.h"
#include "tests/engine/device/device.h"

namespace akimbo::apps {

using testing_support::kGpu;

// A picture of 32 pixels ends as one cell, of which two pictures make a batch norm's batch: enough
// to compare bits. Where values are compared across roundings, 64 pixels keep training stable.
inline Config tiny_config(int side = 32) {
  Config config;
  config.model = {{"name", "pose_resnet"}, {"depth", 18},
                  {"style", "pytorch"},    {"width", 4},
                  {"deconv_filters", {8}}, {"deconv_kernels", {4}}};
  config.codec.input_size = {side, side};
  config.codec.heatmap_size = {side / 16, side / 16};
  config.train.batch_size = 2;
  config.train.optimizer.lr = 1e-3;
  config.train.seed = 7;
  config.train.deterministic = true;
  return config_from_json(config_to_json(config));
}

// Four branches, one module a stage.
inline Config tiny_hrnet_config() {
  Config config = tiny_config();
  config.model = {{"name", "pose_hrnet"}, {"width", 4}, {"modules", {1, 1, 1}},
                  {"blocks", 1},          {"stem", 4},  {"layer1_blocks", 1}};
  config.codec.heatmap_size = {8, 8};
  return config_from_json(config_to_json(config));
}

inline Tensor random_tensor(const Shape& shape, const std::string& name, double low, double high) {
  RandomStream random(11, stream_of(name));
  Tensor t = Tensor::empty(shape);
  float* values = t.data<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    values[i] = static_cast<float>(random.uniform(low, high));
  }
  return t;
}

inline DeviceBatch batch_of(int number, Device device, std::int64_t size = 2, int side = 32,
                            std::int64_t cells = 2) {
  const std::string n = std::to_string(number);
  return {.host = {},
          .input = random_tensor({size, side, side, 3}, "input" + n, -2, 2).to(device),
          .target = random_tensor({size, cells, cells, 17}, "target" + n, 0, 1).to(device),
          .weight = random_tensor({size, 17}, "weight" + n, 0.2, 1).to(device)};
}

class TinyTraining {
 public:
  TinyTraining(const Config& config, Device device)
      : state(config, datasets::skeleton_by_name("coco"), device), step_(state) {}

  // The losses of steps with batches [begin, end).
  std::vector<double> train(int begin, int end) {
    state.network().train();
    std::vector<double> losses;
    for (int i = begin; i < end; ++i) {
      const int side = state.config().codec.input_size.width;
      const int cells = state.config().codec.heatmap_size.width;
      step_.run(batch_of(i, state.device(), 2, side, cells), state.config().train.optimizer.lr);
      last = step_.finish();
      losses.push_back(last.loss);
    }
    return losses;
  }
  [[nodiscard]] bool is_captured() const { return step_.is_captured(); }
  [[nodiscard]] int num_lanes() const { return step_.num_lanes(); }

  TrainState state;
  TrainStep::Result last;

 private:
  TrainStep step_;
};

// Every parameter and buffer, on the CPU.
inline std::vector<std::pair<std::string, Tensor>> weights_of(TinyTraining& run) {
  auto weights = run.state.network().state();
  for (auto& [name, tensor] : weights) tensor = tensor.to(kCpu).to(DType::f64);
  return weights;
}

inline void expect_same_bits(TinyTraining& a, TinyTraining& b) {
  const auto left = weights_of(a), right = weights_of(b);
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto x = left[i].second.values<double>(), y = right[i].second.values<double>();
    for (std::size_t k = 0; k < x.size(); ++k) {
      ASSERT_EQ(x[k], y[k]) << left[i].first << " element " << k;
    }
  }
}

// Steps whose ops run side by side against steps whose ops run in a row: losses and weights.
inline void expect_the_bits_of_one_lane(Config config, int num_lanes, int num_steps = 4) {
  config.train.cuda_lanes = 1;
  TinyTraining chain(config, kGpu);
  config.train.cuda_lanes = 8;
  TinyTraining lanes(config, kGpu);
  EXPECT_EQ(chain.train(0, num_steps), lanes.train(0, num_steps));
  EXPECT_EQ(chain.num_lanes(), 1);
  EXPECT_GE(lanes.num_lanes(), num_lanes);
  EXPECT_FALSE(lanes.last.skipped);
  expect_same_bits(chain, lanes);
}

class DeviceTraining : public testing_support::DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    set_compute_mode({.deterministic = true});
  }
  void TearDown() override { set_compute_mode({}); }
};

}  // namespace akimbo::apps
