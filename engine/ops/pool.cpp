#include "engine/ops/pool.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/trace.h"
#include "engine/ops/checks.h"
#include "engine/ops/gather.h"
#include "kernels/pool.h"

namespace akimbo::ops {
namespace {

std::int64_t pooled_extent(const char* op, std::int64_t extent, const Pool2dOptions& o,
                           std::int64_t stride) {
  const std::int64_t span = extent + 2 * o.padding - o.kernel;
  if (extent == 0 || span < 0) {
    throw_error<ArgumentError>(
        "[{}] an extent of {} with padding {} is smaller than the kernel {}; use a larger input "
        "or a smaller kernel",
        op, extent, o.padding, o.kernel);
  }
  std::int64_t count = (o.ceil_mode ? span + stride - 1 : span) / stride + 1;
  if (o.ceil_mode && (count - 1) * stride >= extent + o.padding) --count;
  return count;
}

struct Plan {
  kernels::PoolParams params;
  Shape shape;  // of y
};

Plan make_plan(const char* op, const Tensor& x, const Pool2dOptions& o) {
  require_floating(op, "x", x);
  require_rank(op, "x", x, 4, "[N,H,W,C]");
  constexpr std::int64_t kMaxOption = 1 << 30;
  if (o.kernel < 1 || o.stride < 0 || o.padding < 0 || 2 * o.padding > o.kernel ||
      o.kernel > kMaxOption || o.stride > kMaxOption) {
    throw_error<ArgumentError>(
        "[{}] kernel {}, stride {}, padding {}; wanted kernel >= 1, stride >= 0 (0 = the kernel) "
        "and padding of at most half the kernel",
        op, o.kernel, o.stride, o.padding);
  }
  const std::int64_t stride = o.stride == 0 ? o.kernel : o.stride;
  return {.params = {.kernel_h = o.kernel,
                     .kernel_w = o.kernel,
                     .stride_h = stride,
                     .stride_w = stride,
                     .pad_h = o.padding,
                     .pad_w = o.padding},
          .shape = {x.dim(0), pooled_extent(op, x.dim(1), o, stride),
                    pooled_extent(op, x.dim(2), o, stride), x.dim(3)}};
}

template <typename Kernel>
Tensor note(const char* op, const Tensor& x, const Plan& plan, const Tensor& y,
            const Kernel& kernel) {
  const kernels::PoolParams& p = plan.params;
  return trace::note({.op = op,
                      .inputs = {x},
                      .constants = {},
                      .options = {{"kernel_h", p.kernel_h},
                                  {"kernel_w", p.kernel_w},
                                  {"stride_h", p.stride_h},
                                  {"stride_w", p.stride_w},
                                  {"pad_h", p.pad_h},
                                  {"pad_w", p.pad_w}},
                      .output = y,
                      .compute = [kernel](const trace::Step&, std::span<const Tensor> inputs,
                                          Tensor& out) { kernel(inputs[0], out); }});
}

Tensor avg_pool(const char* op, const Tensor& x, const Plan& plan, bool count_pad) {
  const Device device = x.device();
  Tensor y = trace::new_map(plan.shape, x.dtype(), device);
  if (trace::recorder() != nullptr) {
    return note(op, x, plan, y, [p = plan.params, count_pad](const Tensor& in, Tensor& out) {
      AKIMBO_KERNEL(in.device(), avg_pool2d_forward)
      (exec_of(in.device()), view_of(in), p, count_pad, mutable_view_of(out));
    });
  }
  AKIMBO_KERNEL(device, avg_pool2d_forward)
  (exec_of(device), view_of(x), plan.params, count_pad, mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach(op, y, {x},
                     [shape = x.shape(), params = plan.params, count_pad](const Tensor& grad_y,
                                                                          const autograd::Needs&) {
                       const Device device = grad_y.device();
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), device);
                       AKIMBO_KERNEL(device, avg_pool2d_input_grad)
                       (exec_of(device), view_of(grad_y), params, count_pad,
                        mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options) {
  const Plan plan = make_plan("max_pool2d", x, options);
  const bool with_grad = autograd::any_needs_grad({x});
  if (with_grad && options.kernel > 15) {
    throw_error<ArgumentError>("[max_pool2d] kernel {} has no gradient; wanted at most 15",
                               options.kernel);
  }
  const Device device = x.device();
  Tensor y = trace::new_map(plan.shape, x.dtype(), device);
  if (trace::recorder() != nullptr) {
    return note("max_pool2d", x, plan, y, [p = plan.params](const Tensor& in, Tensor& out) {
      AKIMBO_KERNEL(in.device(), max_pool2d_forward)
      (exec_of(in.device()), view_of(in), p, mutable_view_of(out), {});
    });
  }
  Tensor index = with_grad ? Tensor::empty(plan.shape, DType::u8, device) : Tensor();
  AKIMBO_KERNEL(device, max_pool2d_forward)
  (exec_of(device), view_of(x), plan.params, mutable_view_of(y), mutable_view_of(index));
  if (with_grad) {
    autograd::attach("max_pool2d", y, {x},
                     [index, shape = x.shape(), params = plan.params](const Tensor& grad_y,
                                                                      const autograd::Needs&) {
                       const Device device = grad_y.device();
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), device);
                       AKIMBO_KERNEL(device, max_pool2d_input_grad)
                       (exec_of(device), view_of(grad_y), view_of(index), params,
                        mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options) {
  return avg_pool("avg_pool2d", x, make_plan("avg_pool2d", x, options), options.count_include_pad);
}

Tensor global_avg_pool2d(const Tensor& x) {
  require_floating("global_avg_pool2d", "x", x);
  require_rank("global_avg_pool2d", "x", x, 4, "[N,H,W,C]");
  const std::int64_t pixels = x.dim(1) * x.dim(2);
  if (pixels == 0) {
    throw_error<ArgumentError>("[global_avg_pool2d] x {} has no pixels to average",
                               x.shape().str());
  }
  // One window over everything.
  const Plan plan{.params = {.kernel_h = x.dim(1),
                             .kernel_w = x.dim(2),
                             .stride_h = x.dim(1),
                             .stride_w = x.dim(2)},
                  .shape = {x.dim(0), 1, 1, x.dim(3)}};
  return reshape(avg_pool("global_avg_pool2d", x, plan, false), {x.dim(0), x.dim(3)});
}

}  // namespace akimbo::ops
