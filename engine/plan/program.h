// A network as a list of steps between values: what a trace becomes before it is fused, given
// memory and run (plan.h), summed up, or written for other software.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/trace.h"

namespace akimbo::plan {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using Forward = std::function<NamedTensors(const Tensor& x)>;

// A map that a step makes, or the input. Maps that share elements (a reshape) are one value.
using ValueId = int;
inline constexpr ValueId kAbsent = -1;

struct Node {
  trace::Step step;             // its tensors give shapes and dtypes; their elements are unknown
  std::string layer;            // "stage2.0.branches.0.1.conv2"; else the op and a number, "add_3"
  std::vector<ValueId> inputs;  // kAbsent where an optional input is not there
  ValueId output = kAbsent;
};

struct Program {
  std::vector<Node> nodes;  // every value is made before it is read
  Tensor input;             // its shape and dtype; value 0
  std::vector<std::pair<std::string, ValueId>> outputs;
  NamedTensors output_tensors;  // shapes of the outputs
  int num_values = 0;

  // For each value the node that makes it (-1 for the input) and how many nodes and outputs read
  // it.
  [[nodiscard]] std::vector<int> makers() const;
  [[nodiscard]] std::vector<int> num_readers() const;
};

// Runs `forward` under a recorder on a map of the shape. `parameters` (Module::named_parameters)
// give the layers' names. Throws Error when a map comes from an op that cannot be traced.
[[nodiscard]] Program trace_network(const Forward& forward, const Shape& input, DType dtype,
                                    Device device, const NamedTensors& parameters);

// Multiply-adds of a step (bias, activation and border padding counted as PyTorch tools do);
// 0 for steps that are no products.
[[nodiscard]] std::int64_t count_macs(const trace::Step& step);

}  // namespace akimbo::plan
