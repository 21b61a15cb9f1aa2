// What the self-test runs: an op with inputs, and the lists of them by family.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/selftest/selftest.h"

namespace akimbo::selftest {

enum class Kind {
  map,     // of the dtype under test
  vector,  // one value per channel: f32 beside 16-bit maps
  index,   // i64, whole numbers in [low, high]
};

struct Input {
  std::string name;
  Shape shape;
  double low = -1, high = 1;
  Kind kind = Kind::map;
  bool gradient = true;
  // Nothing between low / 2 and high / 2: keeps the sign of what a ReLU sees out of rounding's
  // reach.
  bool apart = false;
};

struct Case {
  std::string name;
  // Terms of the longest sum in any pass: errors grow with its root.
  double length = 1;
  std::vector<Input> inputs;
  // Outputs by name; the gradient is taken of the first, when an input wants one.
  using Outputs = std::vector<std::pair<std::string, Tensor>>;
  std::function<Outputs(std::vector<Tensor>& inputs)> run;
  // Roundings to the dtype on the way to the result: more than two where a gradient reads an
  // output that was rounded.
  double roundings = 2;
  bool products = false;  // has tensor-core products: also run in tf32
  bool halves = true;     // also in bf16 and f16
  bool backward = true;   // has gradients, of the inputs that want one
};

// `small`: as in Options.
[[nodiscard]] std::vector<Case> elementwise_cases(bool small);
[[nodiscard]] std::vector<Case> layout_cases(bool small);  // reductions, gathering, casts
[[nodiscard]] std::vector<Case> layer_cases(bool small);   // convolution, norm, pooling, resizing
[[nodiscard]] std::vector<Case> head_cases(bool small);    // softmax, heatmaps, losses
[[nodiscard]] std::vector<Case> pose_cases(bool small);    // crops and targets
[[nodiscard]] std::vector<Case> optim_cases(bool small);

// What run() does with every list.
Summary run_cases(const std::vector<Case>& cases, Device device, const Options& options);

}  // namespace akimbo::selftest
