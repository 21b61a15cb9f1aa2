#include "engine/ops/elementwise.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/elementwise.h"

namespace akimbo::ops {
namespace {

void require_same(const char* op, const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) {
    throw_error<ArgumentError>("[{}] a is {} {}, b is {} {}; both must have one shape and dtype",
                               op, dtype_name(a.dtype()), a.shape().str(), dtype_name(b.dtype()),
                               b.shape().str());
  }
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  require_same("add", a, b);
  Tensor y = Tensor::empty(a.shape(), a.dtype(), a.device());
  AKIMBO_KERNEL(a.device(), add_forward)(exec_of(a.device()), view_of(a), view_of(b),
                                         mutable_view_of(y));
  if (autograd::any_needs_grad({a, b})) {
    autograd::attach("add", y, {a, b}, [](const Tensor& grad_y, const autograd::Needs& needs) {
      return std::vector<Tensor>{needs[0] ? grad_y : Tensor(), needs[1] ? grad_y : Tensor()};
    });
  }
  return y;
}

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  AKIMBO_KERNEL(x.device(), relu_forward)(exec_of(x.device()), view_of(x), mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach("relu", y, {x},
                     [sy = autograd::Saved(y)](const Tensor& grad_y, const autograd::Needs&) {
                       Tensor grad_x =
                           Tensor::empty(grad_y.shape(), grad_y.dtype(), grad_y.device());
                       AKIMBO_KERNEL(grad_y.device(), relu_input_grad)
                       (exec_of(grad_y.device()), view_of(sy.get()), view_of(grad_y),
                        mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

}  // namespace akimbo::ops
