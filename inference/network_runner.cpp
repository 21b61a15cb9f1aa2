#include "inference/network_runner.h"

#include <algorithm>

#include "engine/autograd/node.h"
#include "engine/core/stage_times.h"
#include "engine/ops/elementwise.h"
#include "inference/precision.h"

namespace akimbo {

namespace {

// Each keeps the memory of its maps; the shape that was not used for longest makes room.
constexpr std::size_t kMaxShapes = 4;

}  // namespace

NetworkRunner::NetworkRunner(models::Network& network, const EvalConfig& config, Device device)
    : network_(network),
      config_(config),
      use_graph_(config.cuda_graph && device.is_cuda()),
      device_(device),
      parameters_(network.named_parameters()) {
  check_inference_precision(config_.precision, device);
}

std::size_t NetworkRunner::num_graphs() const {
  return static_cast<std::size_t>(std::count_if(
      prepared_.begin(), prepared_.end(), [](const Prepared& p) { return p.graph != nullptr; }));
}

NetworkRunner::Prepared& NetworkRunner::prepare(const Shape& shape) {
  const auto found = std::find_if(prepared_.begin(), prepared_.end(),
                                  [&](const Prepared& p) { return p.shape == shape; });
  if (found != prepared_.end()) {
    prepared_.splice(prepared_.end(), prepared_, found);
    return prepared_.back();
  }
  if (prepared_.size() >= kMaxShapes) prepared_.pop_front();
  auto plan = std::make_unique<plan::Plan>([this](const Tensor& x) { return network_.outputs(x); },
                                           shape, activation_dtype(config_.precision, device_),
                                           device_, parameters_);
  prepared_.push_back({.shape = shape, .plan = std::move(plan)});
  return prepared_.back();
}

Tensor NetworkRunner::compute(plan::Plan& plan, const Tensor& x) {
  const Tensor& y =
      plan.run(ops::cast(x, activation_dtype(config_.precision, device_))).front().second;
  return y.dtype() == DType::f32 ? y.clone() : ops::cast(y, DType::f32);  // the next run overwrites
}

void NetworkRunner::record(Prepared& prepared) {
  prepared.input = Tensor::empty(prepared.shape, DType::f32, device_);
  auto graph = std::make_unique<Graph>(device_);
  graph->capture([&] { prepared.output = compute(*prepared.plan, prepared.input); });
  prepared.graph = std::move(graph);
}

Tensor NetworkRunner::forward(const Tensor& x) {
  const StageTimer timer(Stage::network);
  const autograd::NoGrad no_grad;
  use_inference_mode(config_);
  Prepared& prepared = prepare(x.shape());
  // The first pass makes what must not be made while recording (16-bit copies of weights).
  if (!use_graph_ || prepared.passes++ == 0) return compute(*prepared.plan, x.to(device_));
  if (prepared.graph == nullptr) record(prepared);
  prepared.input.copy_from(x);
  prepared.graph->replay();
  return prepared.output.clone();  // the next replay writes over it
}

}  // namespace akimbo
