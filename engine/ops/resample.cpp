#include "engine/ops/resample.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/trace.h"
#include "engine/ops/checks.h"
#include "kernels/resample.h"

namespace akimbo::ops {
namespace {

Tensor resize(const char* op, const Tensor& x, std::int64_t height, std::int64_t width,
              kernels::ResizeMode mode) {
  require_floating(op, "x", x);
  require_rank(op, "x", x, 4, "[N,H,W,C]");
  constexpr std::int64_t kMaxExtent = std::int64_t{1} << 24;  // products stay exact in double
  if (height < 1 || width < 1 || height > kMaxExtent || width > kMaxExtent || x.dim(1) < 1 ||
      x.dim(2) < 1) {
    throw_error<ArgumentError>("[{}] x {} was to become {} x {} pixels; wanted 1 or more, of both",
                               op, x.shape().str(), height, width);
  }
  const Device device = x.device();
  Tensor y = trace::new_map({x.dim(0), height, width, x.dim(3)}, x.dtype(), device);
  if (trace::recorder() != nullptr) {
    return trace::note(
        {.op = "resize",
         .inputs = {x},
         .constants = {},
         .options = {{"mode", static_cast<std::int64_t>(mode)}},
         .output = y,
         .compute = [mode](const trace::Step&, std::span<const Tensor> inputs, Tensor& out) {
           AKIMBO_KERNEL(out.device(), resize_forward)
           (exec_of(out.device()), view_of(inputs[0]), mode, mutable_view_of(out));
         }});
  }
  AKIMBO_KERNEL(device, resize_forward)(exec_of(device), view_of(x), mode, mutable_view_of(y));
  if (autograd::any_needs_grad({x})) {
    autograd::attach(op, y, {x},
                     [shape = x.shape(), mode](const Tensor& grad_y, const autograd::Needs&) {
                       const Device device = grad_y.device();
                       Tensor grad_x = Tensor::empty(shape, grad_y.dtype(), device);
                       AKIMBO_KERNEL(device, resize_input_grad)
                       (exec_of(device), view_of(grad_y), mode, mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return y;
}

}  // namespace

Tensor resize_bilinear(const Tensor& x, const ResizeOptions& options) {
  return resize("resize_bilinear", x, options.height, options.width,
                options.align_corners ? kernels::ResizeMode::bilinear_align_corners
                                      : kernels::ResizeMode::bilinear);
}

Tensor resize_nearest(const Tensor& x, const ResizeOptions& options) {
  if (options.align_corners) {
    throw ArgumentError("[resize_nearest] align_corners has no meaning here; leave it false");
  }
  return resize("resize_nearest", x, options.height, options.width, kernels::ResizeMode::nearest);
}

Tensor upsample_nearest(const Tensor& x, std::int64_t factor) {
  require_rank("upsample_nearest", "x", x, 4, "[N,H,W,C]");
  if (factor < 1 || factor > (1 << 20)) {
    throw_error<ArgumentError>("[upsample_nearest] factor is {}; wanted 1 or more", factor);
  }
  return resize("upsample_nearest", x, x.dim(1) * factor, x.dim(2) * factor,
                kernels::ResizeMode::nearest);
}

void resize_add(const Tensor& x, std::int64_t mode, const Tensor& addend, bool relu, Tensor& y) {
  require_like("resize_add", "addend", addend, "y", y);
  AKIMBO_KERNEL(y.device(), resize_add_forward)
  (exec_of(y.device()), view_of(x), static_cast<kernels::ResizeMode>(mode), view_of(addend), relu,
   mutable_view_of(y));
}

}  // namespace akimbo::ops
