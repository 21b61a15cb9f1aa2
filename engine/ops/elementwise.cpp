#include "engine/ops/elementwise.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/trace.h"
#include "engine/ops/checks.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace akimbo::ops {
namespace {

using autograd::Needs;
using autograd::Saved;
using Grads = std::vector<Tensor>;

Tensor empty_like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }

void check_pair(const char* op, const Tensor& a, const Tensor& b) {
  require_floating(op, "a", a);
  require_like(op, "b", b, "a", a);
}

// The kernels on plain tensors.
Tensor plain(kernels::BinaryForward* kernel, const Tensor& a, const Tensor& b) {
  Tensor y = empty_like(a);
  kernel(exec_of(a.device()), view_of(a), view_of(b), mutable_view_of(y));
  return y;
}

Tensor plain_affine(const Tensor& x, double factor, double value) {
  Tensor y = empty_like(x);
  AKIMBO_KERNEL(x.device(), affine_forward)
  (exec_of(x.device()), view_of(x), {.scale = factor, .shift = value}, mutable_view_of(y));
  return y;
}

// The sum over all axes but the last: [..., C] to [C].
Tensor sum_rows(const Tensor& x) {
  const std::int64_t channels = x.dim(-1);
  Tensor y = Tensor::empty({channels}, x.dtype(), x.device());
  const Tensor x3 = x.view({1, channels > 0 ? x.numel() / channels : 0, channels});
  Tensor y2 = y.view({1, channels});
  AKIMBO_KERNEL(x.device(), sum_forward)
  (exec_of(x.device()), view_of(x3), 1.0, mutable_view_of(y2));
  return y;
}

Tensor binary(const char* op, kernels::BinaryForward* kernel, const Tensor& a, const Tensor& b) {
  if (trace::recorder() == nullptr) return plain(kernel, a, b);
  return trace::note(
      {.op = op,
       .inputs = {a, b},
       .constants = {},
       .options = {},
       .output = trace::new_map(a.shape(), a.dtype(), a.device()),
       .compute = [kernel](const trace::Step&, std::span<const Tensor> inputs, Tensor& out) {
         kernel(exec_of(out.device()), view_of(inputs[0]), view_of(inputs[1]),
                mutable_view_of(out));
       }});
}

enum class Saves { input, output };

Tensor unary(const char* op, const Tensor& x, kernels::UnaryForward* forward,
             kernels::UnaryInputGrad* input_grad, Saves saves) {
  require_floating(op, "x", x);
  Tensor y = trace::new_map(x.shape(), x.dtype(), x.device());
  if (trace::recorder() != nullptr) {
    return trace::note(
        {.op = op,
         .inputs = {x},
         .constants = {},
         .options = {},
         .output = y,
         .compute = [forward](const trace::Step&, std::span<const Tensor> inputs, Tensor& out) {
           forward(exec_of(out.device()), view_of(inputs[0]), mutable_view_of(out));
         }});
  }
  forward(exec_of(x.device()), view_of(x), mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach(op, y, {x},
                     [saved = Saved(saves == Saves::input ? x : y), input_grad](
                         const Tensor& grad_y, const Needs&) {
                       return Grads{plain(input_grad, saved.get(), grad_y)};
                     });
  }
  return y;
}

}  // namespace

namespace {

void attach_cast(Tensor& y, const Tensor& x) {
  if (!autograd::any_needs_grad({x})) return;
  autograd::attach("cast", y, {x}, [from = x.dtype()](const Tensor& grad_y, const Needs&) {
    return Grads{grad_y.to(from)};
  });
}

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  if (!is_floating(x.dtype()) || !is_floating(dtype)) {
    throw_error<ArgumentError>("[cast] {} to {}: both must be floating", dtype_name(x.dtype()),
                               dtype_name(dtype));
  }
  if (x.dtype() == dtype) return x;
  Tensor y = x.detach().to(dtype);
  attach_cast(y, x);
  return y;
}

Tensor cast_parameter(const Tensor& parameter, DType dtype) {
  if (!is_half(dtype) || parameter.dtype() != DType::f32) return cast(parameter, dtype);
  Tensor kept = parameter;  // the same tensor, by another reference
  if (!kept.rounded().defined() || kept.rounded().dtype() != dtype) {
    kept.set_rounded(parameter.detach().to(dtype));
  }
  refresh_rounded(std::span(&parameter, 1));
  Tensor y = kept.rounded().detach();
  attach_cast(y, parameter);
  return y;
}

void refresh_rounded(std::span<const Tensor> parameters) {
  for (Tensor parameter : parameters) {
    Tensor copy = parameter.rounded();
    if (!copy.defined() || parameter.is_rounded()) continue;
    copy.copy_from(parameter);
    parameter.set_rounded(copy);
  }
}

Tensor add(const Tensor& a, const Tensor& b) {
  check_pair("add", a, b);
  Tensor y = binary("add", AKIMBO_KERNEL(a.device(), add_forward), a, b);
  if (autograd::any_needs_grad({a, b})) {
    autograd::attach("add", y, {a, b}, [](const Tensor& grad_y, const Needs& needs) {
      return Grads{needs[0] ? grad_y : Tensor(), needs[1] ? grad_y : Tensor()};
    });
  }
  return y;
}

Tensor sub(const Tensor& a, const Tensor& b) {
  check_pair("sub", a, b);
  Tensor y = binary("sub", AKIMBO_KERNEL(a.device(), sub_forward), a, b);
  if (autograd::any_needs_grad({a, b})) {
    autograd::attach("sub", y, {a, b}, [](const Tensor& grad_y, const Needs& needs) {
      return Grads{needs[0] ? grad_y : Tensor(), needs[1] ? plain_affine(grad_y, -1, 0) : Tensor()};
    });
  }
  return y;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  check_pair("mul", a, b);
  Tensor y = binary("mul", AKIMBO_KERNEL(a.device(), mul_forward), a, b);
  if (autograd::any_needs_grad({a, b})) {
    autograd::attach("mul", y, {a, b},
                     [sa = Saved(a), sb = Saved(b)](const Tensor& grad_y, const Needs& needs) {
                       auto* times = AKIMBO_KERNEL(grad_y.device(), mul_forward);
                       return Grads{needs[0] ? plain(times, grad_y, sb.get()) : Tensor(),
                                    needs[1] ? plain(times, grad_y, sa.get()) : Tensor()};
                     });
  }
  return y;
}

Tensor div(const Tensor& a, const Tensor& b) {
  check_pair("div", a, b);
  Tensor y = binary("div", AKIMBO_KERNEL(a.device(), div_forward), a, b);
  if (autograd::any_needs_grad({a, b})) {
    autograd::attach(
        "div", y, {a, b}, [sb = Saved(b), sy = Saved(y)](const Tensor& grad_y, const Needs& needs) {
          const Device device = grad_y.device();
          const Tensor grad_a = plain(AKIMBO_KERNEL(device, div_forward), grad_y, sb.get());
          if (!needs[1]) return Grads{grad_a, Tensor()};
          const Tensor product = plain(AKIMBO_KERNEL(device, mul_forward), grad_a, sy.get());
          return Grads{needs[0] ? grad_a : Tensor(), plain_affine(product, -1, 0)};
        });
  }
  return y;
}

Tensor affine(const Tensor& x, double factor, double value) {
  require_floating("affine", "x", x);
  Tensor y = plain_affine(x, factor, value);
  if (autograd::any_needs_grad({x})) {
    autograd::attach("affine", y, {x}, [factor](const Tensor& grad_y, const Needs&) {
      return Grads{factor == 1 ? grad_y : plain_affine(grad_y, factor, 0)};
    });
  }
  return y;
}

Tensor add_scalar(const Tensor& x, double value) { return affine(x, 1, value); }

Tensor scale(const Tensor& x, double factor) { return affine(x, factor, 0); }

Tensor add_channels(const Tensor& x, const Tensor& b) {
  require_floating("add_channels", "x", x);
  require_channels("add_channels", "b", b, x.dim(-1), x);
  Tensor y = plain(AKIMBO_KERNEL(x.device(), add_channels_forward), x, b);
  if (autograd::any_needs_grad({x, b})) {
    autograd::attach("add_channels", y, {x, b}, [](const Tensor& grad_y, const Needs& needs) {
      return Grads{needs[0] ? grad_y : Tensor(), needs[1] ? sum_rows(grad_y) : Tensor()};
    });
  }
  return y;
}

Tensor mul_channels(const Tensor& x, const Tensor& b) {
  require_floating("mul_channels", "x", x);
  require_channels("mul_channels", "b", b, x.dim(-1), x);
  Tensor y = plain(AKIMBO_KERNEL(x.device(), mul_channels_forward), x, b);
  if (autograd::any_needs_grad({x, b})) {
    autograd::attach(
        "mul_channels", y, {x, b},
        [sx = Saved(x), sb = Saved(b)](const Tensor& grad_y, const Needs& needs) {
          const Device device = grad_y.device();
          Grads grads(2);
          if (needs[0]) {
            grads[0] = plain(AKIMBO_KERNEL(device, mul_channels_forward), grad_y, sb.get());
          }
          if (needs[1]) {
            grads[1] = sum_rows(plain(AKIMBO_KERNEL(device, mul_forward), grad_y, sx.get()));
          }
          return grads;
        });
  }
  return y;
}

Tensor relu(const Tensor& x) {
  return unary("relu", x, AKIMBO_KERNEL(x.device(), relu_forward),
               AKIMBO_KERNEL(x.device(), relu_input_grad), Saves::output);
}

Tensor leaky_relu(const Tensor& x, double slope) {
  require_floating("leaky_relu", "x", x);
  Tensor y = empty_like(x);
  AKIMBO_KERNEL(x.device(), leaky_relu_forward)
  (exec_of(x.device()), view_of(x), slope, mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach("leaky_relu", y, {x},
                     [sx = Saved(x), slope](const Tensor& grad_y, const Needs&) {
                       Tensor grad_x = empty_like(grad_y);
                       AKIMBO_KERNEL(grad_y.device(), leaky_relu_input_grad)
                       (exec_of(grad_y.device()), view_of(sx.get()), view_of(grad_y), slope,
                        mutable_view_of(grad_x));
                       return Grads{grad_x};
                     });
  }
  return y;
}

Tensor sigmoid(const Tensor& x) {
  return unary("sigmoid", x, AKIMBO_KERNEL(x.device(), sigmoid_forward),
               AKIMBO_KERNEL(x.device(), sigmoid_input_grad), Saves::output);
}

Tensor tanh(const Tensor& x) {
  return unary("tanh", x, AKIMBO_KERNEL(x.device(), tanh_forward),
               AKIMBO_KERNEL(x.device(), tanh_input_grad), Saves::output);
}

Tensor exp(const Tensor& x) {
  return unary("exp", x, AKIMBO_KERNEL(x.device(), exp_forward),
               AKIMBO_KERNEL(x.device(), exp_input_grad), Saves::output);
}

Tensor log(const Tensor& x) {
  return unary("log", x, AKIMBO_KERNEL(x.device(), log_forward),
               AKIMBO_KERNEL(x.device(), log_input_grad), Saves::input);
}

Tensor sqrt(const Tensor& x) {
  return unary("sqrt", x, AKIMBO_KERNEL(x.device(), sqrt_forward),
               AKIMBO_KERNEL(x.device(), sqrt_input_grad), Saves::output);
}

Tensor abs(const Tensor& x) {
  return unary("abs", x, AKIMBO_KERNEL(x.device(), abs_forward),
               AKIMBO_KERNEL(x.device(), abs_input_grad), Saves::input);
}

Tensor square(const Tensor& x) {
  return unary("square", x, AKIMBO_KERNEL(x.device(), square_forward),
               AKIMBO_KERNEL(x.device(), square_input_grad), Saves::input);
}

Tensor clamp(const Tensor& x, double low, double high) {
  require_floating("clamp", "x", x);
  if (!(low <= high)) {
    throw_error<ArgumentError>("[clamp] the limits are {} and {}; wanted low <= high", low, high);
  }
  Tensor y = empty_like(x);
  const kernels::ClampParams params{low, high};
  AKIMBO_KERNEL(x.device(), clamp_forward)
  (exec_of(x.device()), view_of(x), params, mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach("clamp", y, {x}, [sx = Saved(x), params](const Tensor& grad_y, const Needs&) {
      Tensor grad_x = empty_like(grad_y);
      AKIMBO_KERNEL(grad_y.device(), clamp_input_grad)
      (exec_of(grad_y.device()), view_of(sx.get()), view_of(grad_y), params,
       mutable_view_of(grad_x));
      return Grads{grad_x};
    });
  }
  return y;
}

}  // namespace akimbo::ops
