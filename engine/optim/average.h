// Exponential moving average of a network's weights, which often scores better than the weights of
// the last step.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::optim {

struct AverageOptions {
  double decay = 0.9998;
  // Early on, decay is (1 + n) / (10 + n) after n updates while that is lower, so that the random
  // start is forgotten soon.
  bool warm_up = true;
};

class ParameterAverage {
 public:
  using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

  // Starts as a copy of `state` (Module::state(): parameters and buffers). Floating tensors are
  // averaged, others copied.
  explicit ParameterAverage(NamedTensors state, const AverageOptions& options = {});

  // average = decay average + (1 - decay) value; call after each optimiser step.
  void update();
  // The same in two halves, for a step that is captured in a graph, as Optimizer has them:
  // begin_update() counts and sends the decay to the device, apply_update() is recorded.
  void begin_update();
  void apply_update();

  // Swaps the elements of averages and network; call it again to swap back.
  void exchange();

  // The averages and the number of updates, sharing storage: what a checkpoint holds.
  [[nodiscard]] NamedTensors state() const;
  // Throws FileError for missing names or other shapes; nothing is changed then.
  void load_state(const NamedTensors& state, const std::string& where);

 private:
  AverageOptions options_;
  NamedTensors live_;
  NamedTensors averages_;
  Tensor num_updates_;   // scalar, i64
  double decay_ = 0;     // of the update in hand
  Tensor device_decay_;  // the same on the device, f64 [1]; undefined on the CPU
};

}  // namespace akimbo::optim
