// Published networks filled by the rule of the reference values, and the checks against those
// values that every network passes: shared/data/golden/topdown.
#pragma once

#include <memory>
#include <string>

#include "engine/io/json.h"
#include "models/network.h"
#include "tests/support/golden.h"

namespace akimbo::models {

[[nodiscard]] bool is_transposed(const std::string& name);
[[nodiscard]] test_support::RefLayout layout_of(const std::string& name, const Tensor& tensor);
[[nodiscard]] Shape shape_of(const Json& list);

// "resnet50_caffe", "hrnet_w32": not filled.
[[nodiscard]] std::unique_ptr<Network> make_net(const std::string& net,
                                                std::int64_t num_keypoints = 17);
// Filled by the rule.
[[nodiscard]] std::unique_ptr<Network> golden_net(const std::string& net,
                                                  std::int64_t num_keypoints = 17,
                                                  DType dtype = DType::f32);

// `tensors`: [[name, shape], ...] in state-dict order; `counts`: "learnable" and
// "learnable_16_joints".
void expect_names_and_counts(const std::string& net, const Json& tensors, const Json& counts);

// One case of forward_*.json in f32: output, running values.
void expect_forward(const Json& golden_case);

// gradients_<net>.json. float_factor 0: in double, to 1e-6. Else f32 gradients may be as many times
// as far from double as PyTorch's were.
void check_gradients(const std::string& net, bool training, double float_factor = 0);

struct TrainingRun {
  std::string file;  // training_resnet.json
  std::string net;
  std::string optimizer = "adam";
  bool frozen = false;  // batch norms in eval mode
  // Steps whose losses are held to 1e-7. With live batch norms of few values rounding errors grow
  // from step to step even in double; later losses may be off by 3 % of what f32 cost the
  // reference, and the state after them is not compared.
  std::size_t exact_losses = 6;
};
// Losses and state of five optimiser steps in double to 1e-7.
void check_training_in_double(const TrainingRun& run);
// Losses of all runs of the net in f32.
void check_training_in_float(const std::string& file, const std::string& net, int steps);

// Of loss = sum(output r), r = u("grad_output").
struct Gradients {
  double loss = 0;
  Tensor input;
  std::vector<std::pair<std::string, Tensor>> parameters;
};
[[nodiscard]] Gradients gradients_of(const Json& golden, bool training, DType dtype);
// ||a - b||
[[nodiscard]] double distance(const Tensor& a, const Tensor& b);

}  // namespace akimbo::models
