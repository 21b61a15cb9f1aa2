#include "engine/ops/gather.h"

#include <algorithm>
#include <array>

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/trace.h"
#include "engine/ops/checks.h"
#include "kernels/gather.h"

namespace akimbo::ops {
namespace {

using kernels::StridedWalk;

StridedWalk whole(const Shape& shape) {
  StridedWalk walk;
  std::int64_t stride = 1;
  for (int k = shape.rank(); k-- > 0;) {
    walk.stride[static_cast<std::size_t>(k)] = stride;
    stride *= shape[k];
  }
  return walk;
}

// The walk over the box that starts at `begin` on one axis.
StridedWalk from(const Shape& shape, int axis, std::int64_t begin) {
  StridedWalk walk = whole(shape);
  walk.offset = begin * walk.stride[static_cast<std::size_t>(axis)];
  return walk;
}

void copy_box(const Tensor& x, const StridedWalk& walk_x, const Shape& extents, Tensor& y,
              const StridedWalk& walk_y) {
  AKIMBO_KERNEL(x.device(), strided_copy)
  (exec_of(x.device()), view_of(x), walk_x, extents, mutable_view_of(y), walk_y);
}

Tensor filled(const Shape& shape, double value, const Tensor& like) {
  Tensor y = Tensor::empty(shape, like.dtype(), like.device());
  AKIMBO_KERNEL(y.device(), fill_forward)(exec_of(y.device()), value, mutable_view_of(y));
  return y;
}

// Elements [begin, begin + extent) of an axis, without history.
Tensor cut(const Tensor& x, int axis, std::int64_t begin, std::int64_t extent) {
  Shape shape = x.shape();
  shape[axis] = extent;
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  copy_box(x, from(x.shape(), axis, begin), shape, y, whole(shape));
  return y;
}

// Zeros of `shape`, with `x` from `begin` on along the axis.
Tensor placed(const Tensor& x, const Shape& shape, int axis, std::int64_t begin) {
  Tensor y = filled(shape, 0, x);
  copy_box(x, whole(x.shape()), x.shape(), y, from(shape, axis, begin));
  return y;
}

Tensor flipped(const Tensor& x, int axis) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  StridedWalk walk = from(x.shape(), axis, x.dim(axis) - 1);
  walk.stride[static_cast<std::size_t>(axis)] *= -1;
  copy_box(x, walk, x.shape(), y, whole(x.shape()));
  return y;
}

using Order = std::array<int, Shape::kMaxRank>;

Tensor permuted(const Tensor& x, const Order& order) {
  const StridedWalk all = whole(x.shape());
  StridedWalk walk;
  Shape shape = x.shape();
  for (int k = 0; k < x.rank(); ++k) {
    const int source = order[static_cast<std::size_t>(k)];
    shape[k] = x.dim(source);
    walk.stride[static_cast<std::size_t>(k)] = all.stride[static_cast<std::size_t>(source)];
  }
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  copy_box(x, walk, shape, y, whole(shape));
  return y;
}

Shape resolved_shape(const Tensor& x, const Shape& shape) {
  Shape result = shape;
  std::int64_t known = 1;
  int free_axis = -1;
  bool valid = true;
  for (int k = 0; k < shape.rank(); ++k) {
    if (shape[k] == -1 && free_axis < 0) {
      free_axis = k;
    } else {
      valid = valid && shape[k] >= 0;
      known *= shape[k];
    }
  }
  if (valid && free_axis >= 0 && known > 0 && x.numel() % known == 0) {
    result[free_axis] = x.numel() / known;
  } else {
    valid = valid && free_axis < 0;
  }
  if (!valid || result.numel() != x.numel()) {
    throw_error<ArgumentError>(
        "[reshape] x {} was to become {}; wanted a shape of {} elements, with at most one -1",
        x.shape().str(), shape.str(), x.numel());
  }
  return result;
}

void check_concat(std::span<const Tensor> tensors, int axis) {
  const Tensor& first = tensors[0];
  for (const Tensor& t : tensors) {
    bool fits =
        t.rank() == first.rank() && t.dtype() == first.dtype() && t.device() == first.device();
    for (int k = 0; fits && k < t.rank(); ++k) fits = k == axis || t.dim(k) == first.dim(k);
    if (!fits) {
      throw_error<ArgumentError>(
          "[concat] tensors {} {} and {} {} do not join along axis {}; all other extents and the "
          "dtype must agree",
          dtype_name(first.dtype()), first.shape().str(), dtype_name(t.dtype()), t.shape().str(),
          axis);
    }
  }
}

void join(std::span<const Tensor> tensors, int axis, Tensor& y) {
  std::int64_t begin = 0;
  for (const Tensor& t : tensors) {
    copy_box(t, whole(t.shape()), t.shape(), y, from(y.shape(), axis, begin));
    begin += t.dim(axis);
  }
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  Tensor y = x.view(resolved_shape(x, shape));
  if (autograd::any_needs_grad({x})) {
    autograd::attach("reshape", y, {x},
                     [shape = x.shape()](const Tensor& grad_y, const autograd::Needs&) {
                       return std::vector<Tensor>{grad_y.view(shape)};
                     });
  }
  return y;
}

Tensor concat(std::span<const Tensor> tensors, int axis) {
  if (tensors.empty()) throw ArgumentError("[concat] no tensors were given; pass at least one");
  axis = require_axis("concat", axis, tensors[0].shape());
  check_concat(tensors, axis);
  Shape shape = tensors[0].shape();
  shape[axis] = 0;
  std::vector<std::int64_t> extents;
  for (const Tensor& t : tensors) {
    extents.push_back(t.dim(axis));
    shape[axis] += t.dim(axis);
  }
  Tensor y = trace::new_map(shape, tensors[0].dtype(), tensors[0].device());
  if (trace::recorder() != nullptr) {
    return trace::note({.op = "concat",
                        .inputs = {tensors.begin(), tensors.end()},
                        .constants = {},
                        .options = {{"axis", axis}},
                        .output = y,
                        .compute = [axis](const trace::Step&, std::span<const Tensor> inputs,
                                          Tensor& out) { join(inputs, axis, out); }});
  }
  join(tensors, axis, y);
  if (autograd::any_needs_grad(tensors)) {
    autograd::attach("concat", y, tensors,
                     [axis, extents](const Tensor& grad_y, const autograd::Needs& needs) {
                       std::vector<Tensor> grads(extents.size());
                       std::int64_t begin = 0;
                       for (std::size_t i = 0; i < extents.size(); ++i) {
                         if (needs[i]) grads[i] = cut(grad_y, axis, begin, extents[i]);
                         begin += extents[i];
                       }
                       return grads;
                     });
  }
  return y;
}

Tensor concat(std::initializer_list<Tensor> tensors, int axis) {
  return concat(std::span<const Tensor>(tensors.begin(), tensors.size()), axis);
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  axis = require_axis("slice", axis, x.shape());
  if (begin < 0 || end < begin || end > x.dim(axis)) {
    throw_error<ArgumentError>(
        "[slice] [{}, {}) of axis {} of x {}; wanted 0 <= begin <= end <= {}", begin, end, axis,
        x.shape().str(), x.dim(axis));
  }
  Tensor y = cut(x, axis, begin, end - begin);
  if (autograd::any_needs_grad({x})) {
    autograd::attach(
        "slice", y, {x},
        [shape = x.shape(), axis, begin](const Tensor& grad_y, const autograd::Needs&) {
          return std::vector<Tensor>{placed(grad_y, shape, axis, begin)};
        });
  }
  return y;
}

std::vector<Tensor> split(const Tensor& x, int axis, std::span<const std::int64_t> sizes) {
  axis = require_axis("split", axis, x.shape());
  std::int64_t sum = 0;
  bool valid = true;
  for (const std::int64_t size : sizes) {
    valid = valid && size >= 0 && size <= x.dim(axis);
    if (valid) sum += size;
  }
  if (!valid || sum != x.dim(axis)) {
    throw_error<ArgumentError>(
        "[split] the sizes add up to {}; wanted {}, the extent of axis {} "
        "of x {}",
        sum, x.dim(axis), axis, x.shape().str());
  }
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(slice(x, axis, begin, begin + size));
    begin += size;
  }
  return parts;
}

Tensor flip(const Tensor& x, int axis) {
  axis = require_axis("flip", axis, x.shape());
  Tensor y = flipped(x, axis);
  if (autograd::any_needs_grad({x})) {
    autograd::attach("flip", y, {x}, [axis](const Tensor& grad_y, const autograd::Needs&) {
      return std::vector<Tensor>{flipped(grad_y, axis)};
    });
  }
  return y;
}

Tensor permute(const Tensor& x, std::span<const int> order) {
  Order forward{};
  Order inverse{};
  std::array<bool, Shape::kMaxRank> seen{};
  bool valid = order.size() == static_cast<std::size_t>(x.rank());
  for (std::size_t k = 0; valid && k < order.size(); ++k) {
    const auto axis = static_cast<std::size_t>(require_axis("permute", order[k], x.shape()));
    valid = !seen[axis];
    seen[axis] = true;
    forward[k] = static_cast<int>(axis);
    inverse[axis] = static_cast<int>(k);
  }
  if (!valid) {
    throw_error<ArgumentError>(
        "[permute] the order names {} axes or one twice; wanted each of "
        "the {} axes of x {} once",
        order.size(), x.rank(), x.shape().str());
  }
  Tensor y = permuted(x, forward);
  if (autograd::any_needs_grad({x})) {
    autograd::attach("permute", y, {x}, [inverse](const Tensor& grad_y, const autograd::Needs&) {
      return std::vector<Tensor>{permuted(grad_y, inverse)};
    });
  }
  return y;
}

Tensor permute(const Tensor& x, std::initializer_list<int> order) {
  return permute(x, std::span<const int>(order.begin(), order.size()));
}

Tensor index_select(const Tensor& x, int axis, std::span<const std::int64_t> index) {
  axis = require_axis("index_select", axis, x.shape());
  for (const std::int64_t i : index) {
    if (i < 0 || i >= x.dim(axis)) {
      throw_error<ArgumentError>(
          "[index_select] index {} is outside axis {} of x {}; wanted 0 to {}", i, axis,
          x.shape().str(), x.dim(axis) - 1);
    }
  }
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (int k = 0; k < axis; ++k) outer *= x.dim(k);
  for (int k = axis + 1; k < x.rank(); ++k) inner *= x.dim(k);
  const auto count = static_cast<std::int64_t>(index.size());
  const Device device = x.device();
  const Tensor indices = Tensor::from_values<std::int64_t>({count}, index).to(device);
  Shape shape = x.shape();
  shape[axis] = count;
  Tensor y = Tensor::empty(shape, x.dtype(), device);
  Tensor y3 = y.view({outer, count, inner});
  const Tensor x3 = x.view({outer, x.dim(axis), inner});
  AKIMBO_KERNEL(device, index_select_forward)
  (exec_of(device), view_of(x3), view_of(indices), mutable_view_of(y3));
  if (autograd::any_needs_grad({x})) {
    autograd::attach("index_select", y, {x},
                     [indices, shape = x.shape(), outer, inner, axis](const Tensor& grad_y,
                                                                      const autograd::Needs&) {
                       const Device device = grad_y.device();
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), device);
                       Tensor grad_x3 = grad_x.view({outer, shape[axis], inner});
                       const Tensor grad_y3 = grad_y.view({outer, indices.numel(), inner});
                       AKIMBO_KERNEL(device, index_select_input_grad)
                       (exec_of(device), view_of(grad_y3), view_of(indices),
                        mutable_view_of(grad_x3));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

Tensor pad(const Tensor& x, std::span<const std::int64_t> before,
           std::span<const std::int64_t> after, double value) {
  const auto rank = static_cast<std::size_t>(x.rank());
  bool valid = before.size() == rank && after.size() == rank;
  for (std::size_t k = 0; valid && k < rank; ++k) valid = before[k] >= 0 && after[k] >= 0;
  if (!valid) {
    throw_error<ArgumentError>(
        "[pad] {} and {} widths for x {}; wanted one of 0 or more before "
        "and after each axis",
        before.size(), after.size(), x.shape().str());
  }
  Shape shape = x.shape();
  for (std::size_t k = 0; k < rank; ++k) shape[static_cast<int>(k)] += before[k] + after[k];
  StridedWalk inside = whole(shape);
  for (std::size_t k = 0; k < rank; ++k) inside.offset += before[k] * inside.stride[k];
  Tensor y = filled(shape, value, x);
  copy_box(x, whole(x.shape()), x.shape(), y, inside);
  if (autograd::any_needs_grad({x})) {
    autograd::attach("pad", y, {x},
                     [shape = x.shape(), inside](const Tensor& grad_y, const autograd::Needs&) {
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), grad_y.device());
                       copy_box(grad_y, inside, shape, grad_x, whole(shape));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

}  // namespace akimbo::ops
