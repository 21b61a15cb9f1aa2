// Contract of the kernels that update parameters. Each walks a whole list of tensors in one call
// (one launch on a GPU): networks have hundreds of small parameters. f32 and f64; per item all
// operands have one dtype and size. Updates are elementwise, hence deterministic.
//
// Values that differ from step to step: every gradient is first multiplied by grad_scale (undoing a
// loss scale, clipping). On CUDA, `step_values` takes the place of the numbers in params and items
// when it is not empty: f64 in device memory, read by the kernel, so that a launch recorded in a
// graph uses the values of its replay.
//   Adam [2 + 2 items]  learning_rate, grad_scale, then bias1 and bias2 of each item in turn
//   SGD  [2]            learning_rate, grad_scale
// The CPU wants it empty.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// Adam (Kingma and Ba 2015), arithmetic and its order as in PyTorch's single-tensor step:
//   coupled decay: g += weight_decay p;      decoupled (AdamW): p *= 1 - learning_rate weight_decay
//   m += (1 - beta1) (g - m);                v = beta2 v + (1 - beta2) g g
//   p -= learning_rate / bias1 * m / (sqrt(v) / sqrt(bias2) + eps)
struct AdamItem {
  View parameter;
  ConstView grad;
  View mean;         // m
  View square;       // v
  double bias1 = 1;  // 1 - beta1^t, t the number of updates of this parameter, this one included
  double bias2 = 1;  // 1 - beta2^t
};
struct AdamParams {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;
  double grad_scale = 1;
  ConstView step_values = {};
};
using AdamUpdate = void(const Exec&, std::span<const AdamItem> items, const AdamParams& params);

// Stochastic gradient descent, as in PyTorch:
//   g += weight_decay p;  b = momentum b + g;  p -= learning_rate (nesterov ? g + momentum b : b)
// With momentum 0 there is no b: p -= learning_rate g. b starts at zero.
struct SgdItem {
  View parameter;
  ConstView grad;
  View velocity;  // b; absent when momentum is 0
};
struct SgdParams {
  double learning_rate = 1e-2;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
  double grad_scale = 1;
  ConstView step_values = {};
};
using SgdUpdate = void(const Exec&, std::span<const SgdItem> items, const SgdParams& params);

// average += (1 - decay) (value - average), for each pair.
struct AverageItem {
  View average;
  ConstView value;
};
using AverageUpdate = void(const Exec&, std::span<const AverageItem> items, double decay);

// sum [1], f64: the sum of squares of all elements. Partial sums have bounds that depend on the
// sizes only and are added in order.
using SumOfSquares = void(const Exec&, std::span<const ConstView> items, View sum);

// x *= factor for each item.
using ScaleInPlace = void(const Exec&, std::span<const View> items, double factor);

namespace cpu {
AdamUpdate adam_update;
SgdUpdate sgd_update;
AverageUpdate average_update;
SumOfSquares sum_of_squares;
ScaleInPlace scale_in_place;
}  // namespace cpu

namespace cuda {
AdamUpdate adam_update;
SgdUpdate sgd_update;
AverageUpdate average_update;
SumOfSquares sum_of_squares;
ScaleInPlace scale_in_place;
}  // namespace cuda

}  // namespace akimbo::kernels
