// Noting what ops would do instead of doing it. A network run under a Recorder gives the list of
// its ops with the shapes of their maps, from which engine/plan makes a schedule, a summary or an
// ONNX file. Nothing is computed, so maps hold no values; networks whose shapes or choices depend
// on values cannot be traced.
//
// An op takes part by noting itself when there is a recorder; the result of any other op is unknown
// to the trace, which whoever reads it notices and says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::trace {

struct Step;

// Writes the step's result into y, which has the shape that the trace gave it.
using Compute = std::function<void(const Step& step, std::span<const Tensor> inputs, Tensor& y)>;

struct Step {
  std::string op;              // "conv2d", "max_pool2d", ..
  std::vector<Tensor> inputs;  // maps; undefined where an optional one is absent
  // Weights and vectors, by name; undefined ones are absent.
  std::vector<std::pair<std::string, Tensor>> constants;
  std::map<std::string, std::int64_t> options;  // "stride", "relu", ..
  Tensor output;
  Compute compute;

  [[nodiscard]] std::int64_t option(const std::string& name) const { return options.at(name); }
  // Undefined if there is none.
  [[nodiscard]] Tensor constant(std::string_view name) const;
};

// While one lives, ops of this thread are noted. Gradient mode must be off.
class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  std::vector<Step> steps;

 private:
  friend Tensor new_map(const Shape& shape, DType dtype, Device device);
  Tensor room_;  // of the latest maps
  std::size_t next_ = 0;
  Recorder* previous_;
};

[[nodiscard]] Recorder* recorder();

// Where an op's result goes. Under a recorder nothing is written there: maps then lie one over
// another, each at an address of its own.
[[nodiscard]] Tensor new_map(const Shape& shape, DType dtype, Device device);

// Adds the step to this thread's recorder, which there must be, and returns its output.
Tensor note(Step step);

}  // namespace akimbo::trace
