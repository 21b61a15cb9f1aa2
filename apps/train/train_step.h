// One step of training: forward pass, loss, backward pass, update. Nothing in it waits for a GPU;
// there, a step of the usual shape is recorded once as a graph and replayed.
#pragma once

#include <memory>

#include "apps/common/batch_feed.h"
#include "apps/train/train_state.h"
#include "engine/core/graph.h"
#include "engine/pose/heatmap_decode.h"

namespace akimbo::apps {

class TrainStep {
 public:
  // Throws ConfigError when the device cannot compute as the config says.
  explicit TrainStep(TrainState& state);

  // Gives the step to the device.
  void run(const DeviceBatch& batch, double learning_rate);

  struct Result {
    double loss = 0;
    double grad_norm = -1;  // before clipping; negative when not computed
    // Gradients were not finite: the weights are as before. Expected now and then in f16 only.
    bool skipped = false;
    HeatmapAccuracy accuracy;  // of the output against the targets
  };
  // Waits for it.
  Result finish();

  // f32 heatmaps of the last run, on the device.
  [[nodiscard]] const Tensor& output() const { return now_.output; }
  [[nodiscard]] bool is_captured() const { return graph_ != nullptr; }
  // Streams that the recorded step takes; 0 before it was recorded.
  [[nodiscard]] int num_lanes() const { return graph_ != nullptr ? graph_->num_lanes() : 0; }

 private:
  struct Inputs {
    Tensor input, target, weight;
  };
  struct Outputs {
    Tensor output, loss;
    Tensor output_peaks, target_peaks;  // [N, K, 3]
    Tensor factor, norm;                // undefined where nobody asked for the norm
  };
  enum class Way { at_once, recorded };
  [[nodiscard]] Outputs compute(const Inputs& inputs, Way way);
  [[nodiscard]] bool can_replay(const Inputs& inputs) const;
  void capture(const Inputs& inputs);
  // Counts the update, and sends the numbers that differ from step to step to the device.
  void begin_update();

  TrainState& state_;
  const TrainConfig& config_;
  bool use_graph_;
  bool has_run_ = false;
  std::unique_ptr<Graph> graph_;
  Inputs recorded_inputs_;
  Outputs recorded_, now_;
};

}  // namespace akimbo::apps
