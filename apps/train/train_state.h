// All that a training run consists of between two steps, and its way into a checkpoint and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/train/reporter.h"
#include "config/parts.h"
#include "engine/optim/average.h"
#include "engine/optim/gradients.h"

namespace akimbo::apps {

class TrainState {
 public:
  // A fresh start, the network and all that goes with it on the device.
  TrainState(const Config& config, Skeleton skeleton, Device device);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] const Skeleton& skeleton() const { return skeleton_; }
  [[nodiscard]] models::Network& network() { return *network_; }
  [[nodiscard]] optim::Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] optim::ParameterAverage* average() { return average_.get(); }  // null: none asked
  [[nodiscard]] optim::LossScale* loss_scale() { return loss_scale_.get(); }   // null: not f16

  // After a --init: averages start from the loaded weights.
  void restart_average();

  // Everything; resume() goes on with the same bits.
  void save(const std::filesystem::path& path) const;
  // The weights to predict with, and how they came about.
  void save_best(const std::filesystem::path& path) const;
  // Throws ConfigError when the checkpoint is of another network or another run of batches,
  // FileError when it is damaged. Returns the settings that differ without harm, as lines of text.
  std::vector<std::string> resume(const std::filesystem::path& path);

  // Throws NumericError that names the first weight which is no number.
  void check_finite(const std::string& remedy) const;

  int epoch = 0;           // the one in hand, 0-based
  std::int64_t batch = 0;  // of the epoch, the next to train on
  std::int64_t step = 0;   // steps done in all
  EpochAverages averages;  // of the epoch in hand
  double best_metric = -1;
  int best_epoch = -1;

 private:
  [[nodiscard]] Json training_json() const;
  void read_training_json(const Json& json, const std::string& where);

  Config config_;
  Device device_;
  Skeleton skeleton_;
  std::unique_ptr<models::Network> network_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<optim::ParameterAverage> average_;
  std::unique_ptr<optim::LossScale> loss_scale_;
};

}  // namespace akimbo::apps
