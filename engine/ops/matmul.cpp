#include "engine/ops/matmul.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "kernels/conv.h"
#include "kernels/matmul.h"

namespace akimbo::ops {
namespace {

void check(const char* op, const char* b_form, const Tensor& a, const Tensor& b, int b_axis) {
  if (a.rank() < 1 || b.rank() != 2 || a.dim(-1) != b.dim(b_axis)) {
    throw_error<ArgumentError>(
        "[{}] the operands are {} and {}; the second must be {}, K the last extent of the first",
        op, a.shape().str(), b.shape().str(), b_form);
  }
  if (a.dtype() != b.dtype()) {
    throw_error<ArgumentError>(
        "[{}] the operands are {} and {}; both must be f32, or both f64; call to()", op,
        dtype_name(a.dtype()), dtype_name(b.dtype()));
  }
  require_floating(op, "the first operand", a);
  require_device(op, "the second operand", b, "the first", a);
}

// All but the last axis as one.
Tensor flat(const Tensor& x) {
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.dim(axis);
  return x.view({rows, x.dim(-1)});
}

Tensor product(const Tensor& a, const Tensor& b, const kernels::MatmulParams& params) {
  const std::int64_t m = a.dim(params.transpose_a ? 1 : 0), n = b.dim(params.transpose_b ? 0 : 1);
  Tensor y = Tensor::empty({m, n}, a.dtype(), a.device());
  AKIMBO_KERNEL(a.device(), matmul)
  (exec_of(a.device()), view_of(a), view_of(b), params, mutable_view_of(y));
  return y;
}

Shape with_last(Shape shape, std::int64_t extent) {
  shape[-1] = extent;
  return shape;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check("matmul", "[K,N]", a, b, 0);
  Tensor y = product(flat(a), b, {}).view(with_last(a.shape(), b.dim(1)));
  if (!autograd::any_needs_grad({a, b})) return y;

  autograd::attach("matmul", y, {a, b},
                   [sa = autograd::Saved(a), sb = autograd::Saved(b)](
                       const Tensor& grad_y, const autograd::Needs& needs) {
                     const Tensor grad = flat(grad_y);
                     Tensor grad_a, grad_b;
                     if (needs[0]) {
                       grad_a =
                           product(grad, sb.get(), {.transpose_b = true}).view(sa.get().shape());
                     }
                     if (needs[1]) grad_b = product(flat(sa.get()), grad, {.transpose_a = true});
                     return std::vector<Tensor>{grad_a, grad_b};
                   });
  return y;
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  check("linear", "[O,K]", x, w, 1);
  if (bias.defined() &&
      (!(bias.shape() == Shape{w.dim(0)}) || bias.dtype() != vector_dtype(x.dtype()))) {
    throw_error<ArgumentError>("[linear] bias is {} {}; w {} wants {} [{}]",
                               dtype_name(bias.dtype()), bias.shape().str(), w.shape().str(),
                               dtype_name(vector_dtype(x.dtype())), w.dim(0));
  }
  if (bias.defined()) require_device("linear", "bias", bias, "x", x);
  Tensor y = product(flat(x), w, {.transpose_b = true, .bias = view_of(bias)})
                 .view(with_last(x.shape(), w.dim(0)));
  if (!autograd::any_needs_grad({x, w, bias})) return y;

  autograd::attach("linear", y, {x, w, bias},
                   [sx = autograd::Saved(x), sw = autograd::Saved(w)](
                       const Tensor& grad_y, const autograd::Needs& needs) {
                     const Tensor grad = flat(grad_y);
                     Tensor grad_x, grad_w, grad_bias;
                     if (needs[0]) grad_x = product(grad, sw.get(), {}).view(sx.get().shape());
                     if (needs[1]) grad_w = product(grad, flat(sx.get()), {.transpose_a = true});
                     if (needs[2]) {
                       grad_bias =
                           Tensor::empty({grad.dim(1)}, vector_dtype(grad.dtype()), grad.device());
                       AKIMBO_KERNEL(grad.device(), conv_bias_grad)
                       (exec_of(grad.device()), view_of(grad), mutable_view_of(grad_bias));
                     }
                     return std::vector<Tensor>{grad_x, grad_w, grad_bias};
                   });
  return y;
}

}  // namespace akimbo::ops
