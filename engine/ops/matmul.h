// Matrix products, with gradients.
#pragma once

#include "engine/core/tensor.h"

namespace akimbo::ops {

// a [.., K], b [K, N]; returns [.., N]. f32 or f64, both the same.
[[nodiscard]] Tensor matmul(const Tensor& a, const Tensor& b);

// x [.., I], w [O, I], bias [O] or undefined; returns x w^T + bias, [.., O].
[[nodiscard]] Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias = {});

}  // namespace akimbo::ops
