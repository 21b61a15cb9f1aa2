// A network without gradients on a device: what eval, predict and run call. Each shape of input
// gets a plan (engine/plan); on a GPU its pass is recorded as a graph when the shape comes again.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "config/config.h"
#include "engine/core/graph.h"
#include "engine/plan/plan.h"
#include "models/network.h"

namespace akimbo {

class NetworkRunner {
 public:
  // The network lies on the device and outlives the runner; its weights do not change meanwhile.
  // Throws ConfigError when the device cannot compute as the config says.
  NetworkRunner(models::Network& network, const EvalConfig& config, Device device);

  // x f32 [N,H,W,3] on any device; the main output, f32, on the runner's device.
  [[nodiscard]] Tensor forward(const Tensor& x);
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] std::size_t num_graphs() const;

 private:
  // What is kept for one shape of input.
  struct Prepared {
    Shape shape;
    std::unique_ptr<plan::Plan> plan = {};
    int passes = 0;
    std::unique_ptr<Graph> graph = {};  // of the plan's run on `input`; null until the second pass
    Tensor input = {}, output = {};     // the graph's
  };
  [[nodiscard]] Prepared& prepare(const Shape& shape);
  [[nodiscard]] Tensor compute(plan::Plan& plan, const Tensor& x);
  void record(Prepared& prepared);

  models::Network& network_;
  EvalConfig config_;
  bool use_graph_;
  Device device_;
  plan::NamedTensors parameters_;
  std::list<Prepared> prepared_;  // the latest used last
};

}  // namespace akimbo
