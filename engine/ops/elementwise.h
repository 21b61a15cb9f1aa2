// Differentiable elementwise functions and activations, f32 and f64, on a GPU also bf16 and f16.
// Those of two tensors want one shape, dtype and device, and throw ArgumentError otherwise.
#pragma once

#include <span>

#include "engine/core/tensor.h"

namespace akimbo::ops {

[[nodiscard]] Tensor add(const Tensor& a, const Tensor& b);  // a + b
[[nodiscard]] Tensor sub(const Tensor& a, const Tensor& b);  // a - b
[[nodiscard]] Tensor mul(const Tensor& a, const Tensor& b);  // a b
[[nodiscard]] Tensor div(const Tensor& a, const Tensor& b);  // a / b

// x in another floating dtype; itself when it has it already. The gradient goes back in x's dtype
// (or stays as it is when an op below gave it in x's dtype already).
[[nodiscard]] Tensor cast(const Tensor& x, DType dtype);

// The same for a parameter that every step reads: the result is its 16-bit copy
// (Tensor::rounded), which is written only where the parameter was written to since. Optimisers
// write both, so that a step of training needs no pass for it. Other dtypes: as cast().
[[nodiscard]] Tensor cast_parameter(const Tensor& parameter, DType dtype);
// Writes the copies of those parameters that have one which is out of date: for a graph about to
// read them (core/graph.h), after something else than its own steps wrote to the parameters.
void refresh_rounded(std::span<const Tensor> parameters);

// With a number.
[[nodiscard]] Tensor add_scalar(const Tensor& x, double value);             // x + value
[[nodiscard]] Tensor scale(const Tensor& x, double factor);                 // factor x
[[nodiscard]] Tensor affine(const Tensor& x, double factor, double value);  // factor x + value

// x [..., C] with b [C] repeated over all other axes: a bias, or a factor per channel.
[[nodiscard]] Tensor add_channels(const Tensor& x, const Tensor& b);
[[nodiscard]] Tensor mul_channels(const Tensor& x, const Tensor& b);

[[nodiscard]] Tensor relu(const Tensor& x);                             // max(x, 0); NaN stays NaN
[[nodiscard]] Tensor leaky_relu(const Tensor& x, double slope = 0.01);  // x, or slope x below 0
[[nodiscard]] Tensor sigmoid(const Tensor& x);
[[nodiscard]] Tensor tanh(const Tensor& x);
[[nodiscard]] Tensor exp(const Tensor& x);
[[nodiscard]] Tensor log(const Tensor& x);
[[nodiscard]] Tensor sqrt(const Tensor& x);    // no finite gradient at 0
[[nodiscard]] Tensor abs(const Tensor& x);     // gradient 0 at 0
[[nodiscard]] Tensor square(const Tensor& x);  // x^2
// x limited to [low, high]; the gradient passes inside and on the limits.
[[nodiscard]] Tensor clamp(const Tensor& x, double low, double high);

}  // namespace akimbo::ops
