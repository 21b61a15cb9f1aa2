// Differentiable elementwise functions.
#pragma once

#include "engine/core/tensor.h"

namespace akimbo::ops {

// a + b, both of one shape and dtype.
[[nodiscard]] Tensor add(const Tensor& a, const Tensor& b);

// max(x, 0); NaN stays NaN.
[[nodiscard]] Tensor relu(const Tensor& x);

}  // namespace akimbo::ops
