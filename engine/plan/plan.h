// A network made ready for one shape of input: traced once, batch norms folded and weights packed
// by its layers, sums and activations fused into the steps before them (fuse.h), memory shared by
// maps that live at different times (memory.h), and steps that do not need each other, such as the
// branches of HRNet, run side by side (side_by_side.h). Gives what the network gives, but for the
// rounding of sums added in another order.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/lanes.h"
#include "engine/plan/program.h"
#include "engine/plan/side_by_side.h"

namespace akimbo::plan {

struct MemoryReport {
  std::size_t planned_bytes = 0;  // held for maps
  std::size_t sum_bytes = 0;      // of all maps of the plan
};

class Plan {
 public:
  // The network's weights must not change while the plan lives. Throws as trace_network does.
  Plan(const Forward& forward, const Shape& input, DType dtype, Device device,
       const NamedTensors& parameters = {});

  // x of the shape, dtype and device given. The outputs are overwritten by the next run. While a
  // graph is captured on a GPU (core/graph.h), steps that do not need each other are recorded side
  // by side; the plan must outlive the graph.
  [[nodiscard]] const NamedTensors& run(const Tensor& x);

  // The same, with the seconds that each step took, in the order of nodes(). CPU only.
  [[nodiscard]] std::vector<double> profile(const Tensor& x);

  [[nodiscard]] const std::vector<Node>& nodes() const { return program_.nodes; }
  [[nodiscard]] MemoryReport memory() const { return memory_; }

 private:
  void check_input(const Tensor& x) const;
  void run_node(Node& node, const Tensor& x);
  void run_in_lanes(const Tensor& x);

  Program program_;  // its steps' tensors lie in arena_; the input's elements stay outside
  MemoryReport memory_;
  Tensor arena_;
  std::vector<std::vector<int>> graph_;  // on the CPU; empty where steps run one after another
  LaneSchedule schedule_;                // on a GPU
  std::unique_ptr<Lanes> lanes_;         // null where steps run one after another
  NamedTensors outputs_;
};

}  // namespace akimbo::plan
