#include "engine/ops/softmax.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "kernels/softmax.h"

namespace akimbo::ops {
namespace {

Tensor rowwise(const char* op, const Tensor& x, kernels::SoftmaxForward* forward,
               kernels::SoftmaxInputGrad* input_grad) {
  require_floating(op, "x", x);
  if (x.rank() == 0) {
    throw_error<ArgumentError>("[{}] x has no axes; wanted [..., C]", op);
  }
  const std::int64_t columns = x.dim(-1);
  const Shape rows{columns > 0 ? x.numel() / columns : 0, columns};
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const Tensor x2 = x.view(rows);
  Tensor y2 = y.view(rows);
  forward(exec_of(x.device()), view_of(x2), mutable_view_of(y2));
  if (autograd::any_needs_grad({x})) {
    autograd::attach(
        op, y, {x},
        [sy = autograd::Saved(y), rows, input_grad](const Tensor& grad_y, const autograd::Needs&) {
          Tensor grad_x = Tensor::empty(grad_y.shape(), grad_y.dtype(), grad_y.device());
          const Tensor y2 = sy.get().view(rows);
          const Tensor grad_y2 = grad_y.view(rows);
          Tensor grad_x2 = grad_x.view(rows);
          input_grad(exec_of(grad_y.device()), view_of(y2), view_of(grad_y2),
                     mutable_view_of(grad_x2));
          return std::vector<Tensor>{grad_x};
        });
  }
  return y;
}

}  // namespace

Tensor softmax(const Tensor& x) {
  return rowwise("softmax", x, AKIMBO_KERNEL(x.device(), softmax_forward),
                 AKIMBO_KERNEL(x.device(), softmax_input_grad));
}

Tensor log_softmax(const Tensor& x) {
  return rowwise("log_softmax", x, AKIMBO_KERNEL(x.device(), log_softmax_forward),
                 AKIMBO_KERNEL(x.device(), log_softmax_input_grad));
}

}  // namespace akimbo::ops
