#include "apps/train/train_step.h"

#include <cmath>

#include "apps/common/heatmap_loss.h"
#include "engine/ops/elementwise.h"
#include "engine/optim/gradients.h"
#include "inference/precision.h"

namespace akimbo::apps {

TrainStep::TrainStep(TrainState& state)
    : state_(state),
      config_(state.config().train),
      use_graph_(config_.cuda_graph && state.device().is_cuda()) {
  check_training_precision(config_.precision, state.device());
}

TrainStep::Outputs TrainStep::compute(const Inputs& inputs, Way way) {
  Outputs outputs;
  const Tensor x = ops::cast(inputs.input, activation_dtype(config_.precision, state_.device()));
  const Tensor output = ops::cast(state_.network().forward(x), DType::f32);
  const Tensor loss = heatmap_loss(state_.config().loss, output, inputs.target, inputs.weight);
  optim::LossScale* scale = state_.loss_scale();
  if (scale != nullptr) {
    loss.backward(scale->seed());
  } else {
    loss.backward();
  }
  outputs.output = output.detach();
  outputs.loss = loss.detach();
  outputs.output_peaks = heatmap_argmax_on_device(outputs.output);
  outputs.target_peaks = heatmap_argmax_on_device(inputs.target);
  // On a GPU the norm also keeps gradients that are no numbers away from the weights, because the
  // host learns of them only later.
  if (config_.clip_norm > 0 || state_.device().is_cuda()) {
    const optim::GradientFactor gradients =
        optim::gradient_factor(state_.network().parameters(), config_.clip_norm,
                               scale != nullptr ? scale->scale() : Tensor());
    outputs.factor = gradients.factor;
    outputs.norm = gradients.norm;
  }
  if (way == Way::at_once) begin_update();  // else before each replay
  state_.optimizer().apply_step(outputs.factor);
  if (scale != nullptr) scale->update(outputs.factor);
  if (state_.average() != nullptr) state_.average()->apply_update();
  return outputs;
}

void TrainStep::begin_update() {
  state_.optimizer().begin_step();
  if (state_.average() != nullptr) state_.average()->begin_update();
}

bool TrainStep::can_replay(const Inputs& inputs) const {
  return graph_ != nullptr && inputs.input.shape() == recorded_inputs_.input.shape();
}

void TrainStep::capture(const Inputs& inputs) {
  const auto buffer = [](const Tensor& like) {
    return Tensor::empty(like.shape(), like.dtype(), like.device());
  };
  recorded_inputs_ = {buffer(inputs.input), buffer(inputs.target), buffer(inputs.weight)};
  const auto prepare = [&] {
    recorded_ = {};
    state_.optimizer().zero_grad();
    ops::refresh_rounded(state_.network().parameters());
  };
  const auto work = [&] { recorded_ = compute(recorded_inputs_, Way::recorded); };
  auto graph = std::make_unique<Graph>(state_.device());
  if (config_.cuda_lanes > 1) {
    graph->capture_side_by_side(prepare, work, {.max_lanes = config_.cuda_lanes});
  } else {
    prepare();
    graph->capture(work);
  }
  graph_ = std::move(graph);
}

void TrainStep::run(const DeviceBatch& batch, double learning_rate) {
  use_training_mode(config_);
  optim::Optimizer& optimizer = state_.optimizer();
  optimizer.set_learning_rate(learning_rate);
  const Inputs inputs{batch.input, batch.target, batch.weight};
  // The first step runs without a graph: what is made at first use is there then.
  const bool full = inputs.input.dim(0) == config_.batch_size;
  if (graph_ == nullptr && use_graph_ && has_run_ && full) capture(inputs);
  if (can_replay(inputs)) {
    recorded_inputs_.input.copy_from(inputs.input);
    recorded_inputs_.target.copy_from(inputs.target);
    recorded_inputs_.weight.copy_from(inputs.weight);
    begin_update();
    ops::refresh_rounded(state_.network().parameters());
    graph_->replay();
    now_ = recorded_;
  } else {
    optimizer.zero_grad();
    now_ = compute(inputs, Way::at_once);
  }
  has_run_ = true;
}

TrainStep::Result TrainStep::finish() {
  const Tensor& maps = now_.output;
  Result result{.loss = now_.loss.item()};
  result.accuracy =
      heatmap_accuracy(now_.output_peaks, now_.target_peaks,
                       {static_cast<int>(maps.dim(2)), static_cast<int>(maps.dim(1))});
  if (!now_.norm.defined()) return result;
  result.grad_norm = now_.norm.item();
  result.skipped = !std::isfinite(result.grad_norm);
  if (result.skipped) state_.optimizer().cancel_step();
  return result;
}

}  // namespace akimbo::apps
