// A network without gradients on a device: what eval, predict and run call. On a GPU the pass is
// recorded as a graph when a shape of input comes for the second time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/config/config.h"
#include "engine/core/graph.h"
#include "models/network.h"

namespace akimbo::apps {

class NetworkRunner {
 public:
  // The network lies on the device and outlives the runner; its weights do not change meanwhile.
  // Throws ConfigError when the device cannot compute as the config says.
  NetworkRunner(models::Network& network, const EvalConfig& config, Device device);

  // x f32 [N,H,W,3] on any device; the main output, f32, on the runner's device.
  [[nodiscard]] Tensor forward(const Tensor& x);
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] std::size_t num_graphs() const { return graphs_.size(); }

 private:
  struct Recorded {
    std::unique_ptr<Graph> graph;
    Tensor input, output;
  };
  [[nodiscard]] Tensor compute(const Tensor& x);

  models::Network& network_;
  std::string precision_;
  bool use_graph_;
  Device device_;
  std::vector<Shape> seen_;                 // shapes that ran once
  std::map<std::string, Recorded> graphs_;  // by the input's shape
};

}  // namespace akimbo::apps
