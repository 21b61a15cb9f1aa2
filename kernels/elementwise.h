// Contract of elementwise kernels. All operands contiguous; f32, f64, and on CUDA bf16 or f16,
// worked on in f32. Outputs may alias any input of the same shape.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// y = a + b and so on; a, b, y of one shape and dtype.
using BinaryForward = void(const Exec&, ConstView a, ConstView b, View y);
using AddForward = BinaryForward;

// b is [C], f32 beside 16-bit maps, a and y are [..., C]: b is repeated over rows.
using ChannelForward = void(const Exec&, ConstView a, ConstView b, View y);

// y = scale x + shift.
struct AffineParams {
  double scale = 1, shift = 0;
};
using AffineForward = void(const Exec&, ConstView x, const AffineParams&, View y);

using UnaryForward = void(const Exec&, ConstView x, View y);
// grad_x from grad_y and what the function saved: its output y, or its input x.
using UnaryInputGrad = void(const Exec&, ConstView saved, ConstView grad_y, View grad_x);

// y = max(x, 0), NaN stays NaN; grad_x = grad_y where y > 0, else 0.
using ReluForward = UnaryForward;
using ReluInputGrad = UnaryInputGrad;

// y = x where x > 0, else slope x; grad_x = grad_y where x > 0, else slope grad_y.
using LeakyReluForward = void(const Exec&, ConstView x, double slope, View y);
using LeakyReluInputGrad = void(const Exec&, ConstView x, ConstView grad_y, double slope,
                                View grad_x);

// y = x limited to [low, high], NaN stays NaN; grad_x = grad_y where low <= x <= high, else 0.
struct ClampParams {
  double low, high;
};
using ClampForward = void(const Exec&, ConstView x, const ClampParams&, View y);
using ClampInputGrad = void(const Exec&, ConstView x, ConstView grad_y, const ClampParams&,
                            View grad_x);

// y = x in the dtype of y, between any two dtypes: floating to narrower floating rounds to nearest
// even, floating to integer cuts towards zero (values outside its range: unspecified). y may alias
// x only when both dtypes are one.
using CastForward = void(const Exec&, ConstView x, View y);

// Declares the family in a device's namespace. The gradients read, as `saved`:
//   y: relu, sigmoid (y (1 - y)), tanh (1 - y^2), exp (y), sqrt (1 / (2 y));
//   x: log (1 / x), abs (sign x, 0 at 0), square (2 x).
#define AKIMBO_DECLARE_ELEMENTWISE          \
  CastForward cast_forward;                 \
  BinaryForward add_forward;                \
  BinaryForward sub_forward;                \
  BinaryForward mul_forward;                \
  BinaryForward div_forward;                \
  ChannelForward add_channels_forward;      \
  ChannelForward mul_channels_forward;      \
  AffineForward affine_forward;             \
  ReluForward relu_forward;                 \
  ReluInputGrad relu_input_grad;            \
  LeakyReluForward leaky_relu_forward;      \
  LeakyReluInputGrad leaky_relu_input_grad; \
  ClampForward clamp_forward;               \
  ClampInputGrad clamp_input_grad;          \
  UnaryForward sigmoid_forward;             \
  UnaryInputGrad sigmoid_input_grad;        \
  UnaryForward tanh_forward;                \
  UnaryInputGrad tanh_input_grad;           \
  UnaryForward exp_forward;                 \
  UnaryInputGrad exp_input_grad;            \
  UnaryForward log_forward;                 \
  UnaryInputGrad log_input_grad;            \
  UnaryForward sqrt_forward;                \
  UnaryInputGrad sqrt_input_grad;           \
  UnaryForward abs_forward;                 \
  UnaryInputGrad abs_input_grad;            \
  UnaryForward square_forward;              \
  UnaryInputGrad square_input_grad;

namespace cpu {
AKIMBO_DECLARE_ELEMENTWISE
}  // namespace cpu

namespace cuda {
AKIMBO_DECLARE_ELEMENTWISE
}  // namespace cuda

#undef AKIMBO_DECLARE_ELEMENTWISE

}  // namespace akimbo::kernels
