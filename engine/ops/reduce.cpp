#include "engine/ops/reduce.h"

#include <array>

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "engine/ops/gather.h"
#include "kernels/reduce.h"

namespace akimbo::ops {
namespace {

// x brought to [O,M,I], the reduced axes being M, and the shape of the result.
struct Plan {
  Tensor x3;
  Shape shape;
};

// Adjacent axes are a mere view; others are first permuted behind the kept ones, which changes no
// order among the reduced.
Plan make_plan(const char* op, const Tensor& x, std::span<const int> axes, bool keep_axes) {
  require_floating(op, "x", x);
  std::array<bool, Shape::kMaxRank> reduced{};
  for (const int axis : axes) {
    const auto k = static_cast<std::size_t>(require_axis(op, axis, x.shape()));
    if (reduced[k]) {
      throw_error<ArgumentError>("[{}] axis {} is named twice for x {}; name each axis once", op,
                                 axis, x.shape().str());
    }
    reduced[k] = true;
  }
  Plan plan;
  std::vector<int> kept_first, reduced_axes;
  std::int64_t middle = 1;
  for (int k = 0; k < x.rank(); ++k) {
    if (reduced[static_cast<std::size_t>(k)]) {
      reduced_axes.push_back(k);
      middle *= x.dim(k);
      if (keep_axes) plan.shape.push_back(1);
    } else {
      kept_first.push_back(k);
      plan.shape.push_back(x.dim(k));
    }
  }
  if (plan.shape.rank() == 0) plan.shape = {1};
  std::int64_t outer = 1, inner = 1;
  const bool adjacent = reduced_axes.empty() || reduced_axes.back() - reduced_axes.front() + 1 ==
                                                    static_cast<int>(reduced_axes.size());
  if (adjacent) {
    for (const int k : kept_first) {
      (reduced_axes.empty() || k < reduced_axes.front() ? outer : inner) *= x.dim(k);
    }
    plan.x3 = reshape(x, {outer, middle, inner});
  } else {
    for (const int k : kept_first) outer *= x.dim(k);
    kept_first.insert(kept_first.end(), reduced_axes.begin(), reduced_axes.end());
    plan.x3 = reshape(permute(x, kept_first), {outer, middle, 1});
  }
  return plan;
}

std::vector<int> all_axes(const Tensor& x) {
  std::vector<int> axes;
  for (int k = 0; k < x.rank(); ++k) axes.push_back(k);
  return axes;
}

void require_elements(const char* op, const Tensor& x, const Plan& plan) {
  if (plan.x3.dim(1) == 0) {
    throw_error<ArgumentError>("[{}] x {} has no elements along the axes; wanted at least one", op,
                               x.shape().str());
  }
}

Tensor scaled_sum(const char* op, const Plan& plan, double factor) {
  const Tensor& x3 = plan.x3;
  const Device device = x3.device();
  Tensor y = Tensor::empty({x3.dim(0), x3.dim(2)}, x3.dtype(), device);
  AKIMBO_KERNEL(device, sum_forward)(exec_of(device), view_of(x3), factor, mutable_view_of(y));
  if (autograd::any_needs_grad({x3})) {
    autograd::attach(op, y, {x3},
                     [shape = x3.shape(), factor](const Tensor& grad_y, const autograd::Needs&) {
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), grad_y.device());
                       AKIMBO_KERNEL(grad_y.device(), sum_input_grad)
                       (exec_of(grad_y.device()), view_of(grad_y), factor, mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return reshape(y, plan.shape);
}

Tensor mean_of(const Tensor& x, std::span<const int> axes, bool keep_axes) {
  const Plan plan = make_plan("mean", x, axes, keep_axes);
  require_elements("mean", x, plan);
  return scaled_sum("mean", plan, 1 / static_cast<double>(plan.x3.dim(1)));
}

Tensor max_of(const Tensor& x, std::span<const int> axes, bool keep_axes) {
  const Plan plan = make_plan("max", x, axes, keep_axes);
  require_elements("max", x, plan);
  const Tensor& x3 = plan.x3;
  const Device device = x3.device();
  const bool with_grad = autograd::any_needs_grad({x3});
  const Shape shape2{x3.dim(0), x3.dim(2)};
  Tensor y = Tensor::empty(shape2, x3.dtype(), device);
  Tensor index = with_grad ? Tensor::empty(shape2, DType::i64, device) : Tensor();
  AKIMBO_KERNEL(device, max_forward)
  (exec_of(device), view_of(x3), mutable_view_of(y), mutable_view_of(index));
  if (with_grad) {
    autograd::attach(
        "max", y, {x3}, [shape = x3.shape(), index](const Tensor& grad_y, const autograd::Needs&) {
          Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), grad_y.device());
          AKIMBO_KERNEL(grad_y.device(), max_input_grad)
          (exec_of(grad_y.device()), view_of(grad_y), view_of(index), mutable_view_of(grad_x));
          return std::vector<Tensor>{grad_x};
        });
  }
  return reshape(y, plan.shape);
}

std::span<const int> span_of(std::initializer_list<int> axes) {
  return {axes.begin(), axes.size()};
}

}  // namespace

Tensor sum(const Tensor& x) {
  return scaled_sum("sum", make_plan("sum", x, all_axes(x), false), 1);
}

Tensor sum(const Tensor& x, std::initializer_list<int> axes, const ReduceOptions& options) {
  return scaled_sum("sum", make_plan("sum", x, span_of(axes), options.keep_axes), 1);
}

Tensor mean(const Tensor& x) { return mean_of(x, all_axes(x), false); }

Tensor mean(const Tensor& x, std::initializer_list<int> axes, const ReduceOptions& options) {
  return mean_of(x, span_of(axes), options.keep_axes);
}

Tensor max(const Tensor& x) { return max_of(x, all_axes(x), false); }

Tensor max(const Tensor& x, std::initializer_list<int> axes, const ReduceOptions& options) {
  return max_of(x, span_of(axes), options.keep_axes);
}

}  // namespace akimbo::ops
