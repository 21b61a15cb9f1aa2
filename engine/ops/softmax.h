// Softmax over the last axis, f32 and f64. Of a whole heatmap: reshape it to one row first, or use
// soft_argmax (heatmap.h), which never stores the probabilities.
#pragma once

#include "engine/core/tensor.h"

namespace akimbo::ops {

// x [..., C], any size; returns exp(x) / sum_c exp(x) of the same shape.
[[nodiscard]] Tensor softmax(const Tensor& x);

// x - log(sum_c exp(x)), without the overflow.
[[nodiscard]] Tensor log_softmax(const Tensor& x);

}  // namespace akimbo::ops
