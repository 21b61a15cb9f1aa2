#include "engine/plan/plan.h"

#include <chrono>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "engine/plan/fuse.h"
#include "engine/plan/memory.h"
#include "kernels/common/step_graph.h"

namespace akimbo::plan {
namespace {

// The value's memory under the shape that one reader or writer sees.
Tensor bind(const Tensor& arena, const MemoryPlan& memory, ValueId id, const Tensor& like) {
  return arena.carve(memory.offsets[id], like.shape(), like.dtype());
}

}  // namespace

Plan::Plan(const Forward& forward, const Shape& input, DType dtype, Device device,
           const NamedTensors& parameters)
    : program_(trace_network(forward, input, dtype, device, parameters)) {
  fuse(program_);
  const StepOrder order(program_);
  schedule_ = schedule_lanes(program_);
  if (schedule_.num_lanes > 1) {
    if (device.is_cuda()) {
      lanes_ = std::make_unique<Lanes>(device, schedule_.num_lanes);
    } else {
      graph_ = step_graph(program_);
    }
  }
  const bool side_by_side = lanes_ != nullptr || !graph_.empty();
  const MemoryPlan memory = plan_memory(program_, side_by_side ? &order : nullptr);
  memory_ = {.planned_bytes = memory.total_bytes, .sum_bytes = memory.sum_bytes};
  arena_ = Tensor::empty({static_cast<std::int64_t>(memory.total_bytes)}, DType::u8, device);
  for (Node& node : program_.nodes) {
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      Tensor& input = node.step.inputs[k];
      if (node.inputs[k] > 0) input = bind(arena_, memory, node.inputs[k], input);
    }
    node.step.output = bind(arena_, memory, node.output, node.step.output);
  }
  for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
    const auto& [name, id] = program_.outputs[i];
    if (id == 0) throw_error<Error>("[plan] output \"{}\" is the input itself", name);
    outputs_.emplace_back(name, bind(arena_, memory, id, program_.output_tensors[i].second));
  }
}

void Plan::check_input(const Tensor& x) const {
  const Tensor& wanted = program_.input;
  if (x.shape() == wanted.shape() && x.dtype() == wanted.dtype() && x.device() == wanted.device()) {
    return;
  }
  throw_error<ArgumentError>("[plan] x is {} {} on {}; this plan was made for {} {} on {}",
                             dtype_name(x.dtype()), x.shape().str(), x.device().str(),
                             dtype_name(wanted.dtype()), wanted.shape().str(),
                             wanted.device().str());
}

void Plan::run_node(Node& node, const Tensor& x) {
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (node.inputs[k] == 0) node.step.inputs[k] = x.view(node.step.inputs[k].shape());
  }
  node.step.compute(node.step, node.step.inputs, node.step.output);
}

const NamedTensors& Plan::run(const Tensor& x) {
  check_input(x);
  const autograd::NoGrad no_grad;
  if (lanes_ != nullptr && is_capturing(x.device())) {
    run_in_lanes(x);
  } else if (!graph_.empty()) {
    kernels::run_steps(graph_, [&](int step) {
      const autograd::NoGrad no_grad;  // of the thread that runs it
      run_node(program_.nodes[static_cast<std::size_t>(step)], x);
    });
  } else {
    for (Node& node : program_.nodes) run_node(node, x);
  }
  return outputs_;
}

void Plan::run_in_lanes(const Tensor& x) {
  std::vector<int> marks(program_.nodes.size(), -1);
  std::vector<bool> is_awaited(program_.nodes.size(), false);
  for (const auto& waits : schedule_.waits) {
    for (const int node : waits) is_awaited[node] = true;
  }
  lanes_->fork();
  for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
    const int lane = schedule_.lane[i];
    for (const int node : schedule_.waits[i]) lanes_->wait(lane, marks[node]);
    lanes_->run(lane, [&] { run_node(program_.nodes[i], x); });
    if (is_awaited[i]) marks[i] = lanes_->mark(lane);
  }
  lanes_->join();
}

std::vector<double> Plan::profile(const Tensor& x) {
  check_input(x);
  const autograd::NoGrad no_grad;
  std::vector<double> seconds;
  for (Node& node : program_.nodes) {
    const auto begin = std::chrono::steady_clock::now();
    run_node(node, x);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    seconds.push_back(taken.count());
  }
  return seconds;
}

}  // namespace akimbo::plan
