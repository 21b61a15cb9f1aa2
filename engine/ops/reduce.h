// Sums, means and maxima over chosen axes, f32 and f64.
#pragma once

#include <initializer_list>

#include "engine/core/tensor.h"

namespace akimbo::ops {

struct ReduceOptions {
  bool keep_axes = false;  // reduced axes stay, with extent 1; else they go
};

// Over all elements: one element, shape [1]. Over `axes` (each once; -1 is the last): the shape
// without them, [1] if none remains. mean and max throw ArgumentError when there is nothing to
// reduce; the gradient of max goes to the first largest element in row-major order.
[[nodiscard]] Tensor sum(const Tensor& x);
[[nodiscard]] Tensor sum(const Tensor& x, std::initializer_list<int> axes,
                         const ReduceOptions& options = {});
[[nodiscard]] Tensor mean(const Tensor& x);
[[nodiscard]] Tensor mean(const Tensor& x, std::initializer_list<int> axes,
                          const ReduceOptions& options = {});
[[nodiscard]] Tensor max(const Tensor& x);
[[nodiscard]] Tensor max(const Tensor& x, std::initializer_list<int> axes,
                         const ReduceOptions& options = {});

}  // namespace akimbo::ops
