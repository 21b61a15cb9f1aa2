// Contract of the kernels that update parameters. Each walks a whole list of tensors in one call
// (one launch on a GPU for some 400 tensors): networks have hundreds of small parameters.
// Parameters and their state are f32 or f64; gradients are of the same dtype, or bf16 or f16 beside
// f32. Per item all operands have one size. Updates are elementwise, hence deterministic.
//
// Values that differ from step to step: every gradient is first multiplied by grad_scale (undoing a
// loss scale, clipping). On CUDA, `step_values` takes the place of the numbers in params and items
// when it is not empty: f64 in device memory, read by the kernel, so that a launch recorded in a
// graph uses the values of its replay.
//   Adam [2 + 2 items]  learning_rate, grad_scale, then bias1 and bias2 of each item in turn
//   SGD  [2]            learning_rate, grad_scale
// The CPU wants it empty. What the device itself works out comes in `grad_factor`, f64 [1] on the
// device, or empty: it multiplies every gradient too, and where it is not finite the whole update
// is skipped and nothing is written.
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
  View copy;         // bf16 or f16, receives the new parameter rounded; absent when none is kept
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
  ConstView grad_factor = {};
};
using AdamUpdate = void(const Exec&, std::span<const AdamItem> items, const AdamParams& params);

// Stochastic gradient descent, as in PyTorch:
//   g += weight_decay p;  b = momentum b + g;  p -= learning_rate (nesterov ? g + momentum b : b)
// With momentum 0 there is no b: p -= learning_rate g. b starts at zero.
struct SgdItem {
  View parameter;
  ConstView grad;
  View velocity;  // b; absent when momentum is 0
  View copy;      // as in AdamItem
};
struct SgdParams {
  double learning_rate = 1e-2;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
  double grad_scale = 1;
  ConstView step_values = {};
  ConstView grad_factor = {};
};
using SgdUpdate = void(const Exec&, std::span<const SgdItem> items, const SgdParams& params);

// average += (1 - decay) (value - average), for each pair, f32 or f64; value may be bf16 or f16
// beside f32.
struct AverageItem {
  View average;
  ConstView value;
};
struct AverageParams {
  double decay = 0.999;
  ConstView step_values = {};  // f64 [1]: decay; as above
};
using AverageUpdate = void(const Exec&, std::span<const AverageItem> items, const AverageParams&);

// sum [1], f64: the sum of squares of all elements, f32, f64, bf16 or f16; not finite as soon as
// one of them is not. Partial sums have bounds that depend on the sizes only and are added in
// order.
using SumOfSquares = void(const Exec&, std::span<const ConstView> items, View sum);

// x *= factor for each item, f32, f64, bf16 or f16.
using ScaleInPlace = void(const Exec&, std::span<const View> items, double factor);

// factor [1], f64, for the updates above, from the sum of squares of gradients that are
// `loss_scale` times too large: with norm = sqrt(sum) / loss_scale,
//   factor = min(1, max_norm / (norm + 1e-6)) / loss_scale; NaN where the norm is not finite.
// norm [1], f64, or empty: receives the norm.
struct GradFactorParams {
  double max_norm = 0;   // 0: do not clip
  ConstView loss_scale;  // f64 [>= 1], the first is the scale; or empty: 1
};
using GradFactor = void(const Exec&, ConstView sum_of_squares, const GradFactorParams&, View factor,
                        View norm);

// state, f64 [2]: the loss scale and the number of finite steps since it last changed. A
// grad_factor that is not finite multiplies the scale by `shrink`; every `interval` finite steps
// multiply it by `growth`, up to `largest`.
struct LossScaleParams {
  double growth = 2, shrink = 0.5;
  std::int64_t interval = 2000;
  double smallest = 1, largest = 65536.0 * 256;
};
using LossScaleUpdate = void(const Exec&, ConstView grad_factor, const LossScaleParams&,
                             View state);

namespace cpu {
AdamUpdate adam_update;
SgdUpdate sgd_update;
AverageUpdate average_update;
SumOfSquares sum_of_squares;
ScaleInPlace scale_in_place;
GradFactor grad_factor;
LossScaleUpdate loss_scale_update;
}  // namespace cpu

namespace cuda {
AdamUpdate adam_update;
SgdUpdate sgd_update;
AverageUpdate average_update;
SumOfSquares sum_of_squares;
ScaleInPlace scale_in_place;
GradFactor grad_factor;
LossScaleUpdate loss_scale_update;
}  // namespace cuda

}  // namespace akimbo::kernels
