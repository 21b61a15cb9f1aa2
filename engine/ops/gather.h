// Differentiable functions that move elements and compute nothing. Any dtype forward; an axis may
// be counted from the end (-1). All throw ArgumentError for axes and ranges outside the shape.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::ops {

// Same elements under another shape; shares storage. One extent may be -1: worked out.
[[nodiscard]] Tensor reshape(const Tensor& x, const Shape& shape);

// The tensors joined along an axis; all other extents and the dtype agree.
[[nodiscard]] Tensor concat(std::span<const Tensor> tensors, int axis);
[[nodiscard]] Tensor concat(std::initializer_list<Tensor> tensors, int axis);

// Elements [begin, end) of an axis, copied.
[[nodiscard]] Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);

// Consecutive slices of the given sizes, which add up to the extent of the axis.
[[nodiscard]] std::vector<Tensor> split(const Tensor& x, int axis,
                                        std::span<const std::int64_t> sizes);

// The axis reversed.
[[nodiscard]] Tensor flip(const Tensor& x, int axis);

// Axis k of the result is axis order[k] of x: permute(x, {0, 3, 1, 2}) makes NCHW of NHWC.
[[nodiscard]] Tensor permute(const Tensor& x, std::span<const int> order);
[[nodiscard]] Tensor permute(const Tensor& x, std::initializer_list<int> order);

// Elements index[0], index[1], ... of an axis, repeats allowed: with axis -1 a choice or
// permutation of channels, such as the left-right swap of heatmaps.
[[nodiscard]] Tensor index_select(const Tensor& x, int axis, std::span<const std::int64_t> index);

// before[k] and after[k] elements of `value` added at the two ends of axis k; one entry per axis.
[[nodiscard]] Tensor pad(const Tensor& x, std::span<const std::int64_t> before,
                         std::span<const std::int64_t> after, double value = 0);

}  // namespace akimbo::ops
