#include "engine/ops/conv.h"

#include <algorithm>
#include <bit>

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/trace.h"
#include "engine/ops/checks.h"
#include "kernels/conv.h"

namespace akimbo::ops {
namespace {

using kernels::Conv2dParams;

// Extents above this would overflow the index arithmetic of the kernels long after memory ran out.
constexpr std::int64_t kMaxOption = 1 << 20;

enum class Use { training, inference };

template <typename Options>
Conv2dParams params_of(const Options& o) {
  return {.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups};
}

// `pixels` of the small map are given to the kernel as a power of two, so that weights are packed
// anew for another size of input only where that may matter.
template <typename Options>
Conv2dParams params_of(const Options& o, Use use, std::int64_t pixels) {
  const ComputeMode mode = compute_mode();
  Conv2dParams params = params_of(o);
  params.winograd = use == Use::inference ? mode.winograd_inference : mode.winograd_training;
  params.bf16 = use == Use::inference && mode.bf16_inference;
  params.pixels = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(pixels)));
  return params;
}

std::int64_t num_pixels(const Tensor& map) { return map.dim(0) * map.dim(1) * map.dim(2); }

void check_options(const char* op, const Conv2dParams& p) {
  const auto in_range = [](std::int64_t v, std::int64_t low) {
    return v >= low && v <= kMaxOption;
  };
  if (!in_range(p.stride, 1) || !in_range(p.dilation, 1) || !in_range(p.groups, 1) ||
      !in_range(p.padding, 0)) {
    throw_error<ArgumentError>(
        "[{}] stride = {}, padding = {}, dilation = {}, groups = {}; padding must be 0 or more, "
        "the "
        "others 1 or more",
        op, p.stride, p.padding, p.dilation, p.groups);
  }
}

void check_vector(const char* op, const char* name, const Tensor& v, const Tensor& x,
                  std::int64_t num_outputs) {
  if (!v.defined()) return;
  const DType wanted = vector_dtype(x.dtype());
  if (!(v.shape() == Shape{num_outputs}) || v.dtype() != wanted) {
    throw_error<ArgumentError>("[{}] {} is {} {}; w has {} output channels, so pass {} [{}]", op,
                               name, dtype_name(v.dtype()), v.shape().str(), num_outputs,
                               dtype_name(wanted), num_outputs);
  }
  require_device(op, name, v, "x", x);
}

// All that x, w and the options must satisfy, whichever way the convolution runs.
void check_operands(const char* op, const Tensor& x, const Tensor& w, const Conv2dParams& p) {
  check_options(op, p);
  if (x.rank() != 4 || w.rank() != 4) {
    throw_error<ArgumentError>(
        "[{}] x is {} and w is {}; x must be [N,H,W,C] and w [O,kh,kw,C/groups]", op,
        x.shape().str(), w.shape().str());
  }
  const bool known = x.dtype() == DType::f32 || x.dtype() == DType::f64 ||
                     (is_half(x.dtype()) && x.device().is_cuda());
  if (x.dtype() != w.dtype() || !known) {
    throw_error<ArgumentError>(
        "[{}] x is {} and w is {}; both must be f32, or both f64 (on a GPU also bf16 or f16); call "
        "to()",
        op, dtype_name(x.dtype()), dtype_name(w.dtype()));
  }
  require_device(op, "w", w, "x", x);
  const std::int64_t channels = x.dim(3), taken = w.dim(3) * p.groups;
  if (taken != channels) {
    const Shape& ws = w.shape();
    const std::string fits = w.dim(3) > 0 && channels % w.dim(3) == 0
                                 ? fmt::format("groups = {} or ", channels / w.dim(3))
                                 : "";
    throw_error<ArgumentError>(
        "[{}] x has {} channels, but w {} with groups = {} takes {}; pass {}a weight [{},{},{},{}]",
        op, channels, ws.str(), p.groups, taken, fits, ws[0], ws[1], ws[2], channels / p.groups);
  }
  if (w.dim(0) % p.groups != 0 || w.dim(1) < 1 || w.dim(2) < 1) {
    throw_error<ArgumentError>(
        "[{}] w is {}; the {} outputs must divide into {} groups and the filter be at least 1x1",
        op, w.shape().str(), w.dim(0), p.groups);
  }
}

void check_output(const char* op, const Tensor& x, const Tensor& w, const Shape& y) {
  if (y[1] < 1 || y[2] < 1) {
    throw_error<ArgumentError>(
        "[{}] x {} is too small for the filter of w {}: the result would be {}x{}; pass a larger x "
        "or more padding",
        op, x.shape().str(), w.shape().str(), y[1], y[2]);
  }
}

Shape checked_shape(const char* op, const Tensor& x, const Tensor& w,
                    const Conv2dOptions& options) {
  const Conv2dParams p = params_of(options);
  check_operands(op, x, w, p);
  const auto extent = [&](int axis) {
    const std::int64_t span = x.dim(axis) + 2 * p.padding - p.dilation * (w.dim(axis) - 1) - 1;
    return span < 0 ? span : span / p.stride + 1;
  };
  const Shape y{x.dim(0), extent(1), extent(2), w.dim(0)};
  check_output(op, x, w, y);
  return y;
}

Shape checked_shape(const char* op, const Tensor& x, const Tensor& w,
                    const ConvTranspose2dOptions& options) {
  const Conv2dParams p = params_of(options);
  check_operands(op, x, w, p);
  const std::int64_t limit = std::max(p.stride, p.dilation);
  if (options.output_padding < 0 || options.output_padding >= limit) {
    throw_error<ArgumentError>(
        "[{}] output_padding = {}; it must be from 0 to {}, less than the "
        "stride or the dilation",
        op, options.output_padding, limit - 1);
  }
  const auto extent = [&](int axis) {
    return (x.dim(axis) - 1) * p.stride - 2 * p.padding + p.dilation * (w.dim(axis) - 1) +
           options.output_padding + 1;
  };
  const Shape y{x.dim(0), extent(1), extent(2), w.dim(0)};
  check_output(op, x, w, y);
  return y;
}

// With `addend` of grad_x's shape, on the CPU, or undefined.
Tensor conv2d_input_grad(const Tensor& grad_y, const Tensor& w, const Shape& x_shape,
                         const Conv2dParams& params, const Tensor& addend) {
  const Device device = grad_y.device();
  Tensor grad_x = Tensor::empty(x_shape, grad_y.dtype(), device);
  if (addend.defined()) {
    kernels::cpu::conv2d_input_grad_add(exec_of(device), view_of(grad_y), view_of(w),
                                        view_of(addend), params, mutable_view_of(grad_x));
  } else {
    AKIMBO_KERNEL(device, conv2d_input_grad)
    (exec_of(device), view_of(grad_y), view_of(w), params, mutable_view_of(grad_x));
  }
  return grad_x;
}

Tensor bias_grad(const Tensor& grad_y) {
  Tensor grad = Tensor::empty({grad_y.dim(3)}, vector_dtype(grad_y.dtype()), grad_y.device());
  AKIMBO_KERNEL(grad_y.device(), conv_bias_grad)
  (exec_of(grad_y.device()), view_of(grad_y), mutable_view_of(grad));
  return grad;
}

void check_epilogue(const char* op, const ConvEpilogue& e, const Tensor& x, const Shape& y) {
  check_vector(op, "scale", e.scale, x, y[3]);
  check_vector(op, "shift", e.shift, x, y[3]);
  const Tensor& r = e.residual;
  if (r.defined() && (!(r.shape() == y) || r.dtype() != x.dtype())) {
    throw_error<ArgumentError>("[{}] residual is {} {}; the result is {} {}", op,
                               dtype_name(r.dtype()), r.shape().str(), dtype_name(x.dtype()),
                               y.str());
  }
  if (r.defined()) require_device(op, "residual", r, "x", x);
}

// Room for the sums of y's channels if somebody asked for them and the device takes them: one part
// for some hundred pixels, so that a pass over y spreads over a GPU where the convolution's kernel
// cannot take them on the way, and no part is so long that its f32 sums lose digits.
Tensor make_channel_sums(const Tensor& y, Tensor* asked) {
  constexpr std::int64_t kPixelsPerPart = 512, kMaxParts = 512;
  if (asked == nullptr || y.device().is_cpu()) return {};
  const std::int64_t parts = std::clamp<std::int64_t>(num_pixels(y) / kPixelsPerPart, 1, kMaxParts);
  *asked = Tensor::empty({parts, 2, y.dim(3)}, vector_dtype(y.dtype()), y.device());
  return *asked;
}

Tensor inference_weight(const Tensor& x, const Tensor& w, PackedConvWeight* packed) {
  if (!is_half(x.dtype()) || w.dtype() == x.dtype()) return w;
  return packed != nullptr ? packed->converted(w, x.dtype()) : w.detach().to(x.dtype());
}

bool equal(const Conv2dParams& a, const Conv2dParams& b) {
  return a.stride == b.stride && a.padding == b.padding && a.dilation == b.dilation &&
         a.groups == b.groups && a.winograd == b.winograd && a.pixels == b.pixels &&
         a.bf16 == b.bf16;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dOptions& options,
              Tensor* channel_sums) {
  Tensor y = Tensor::empty(checked_shape("conv2d", x, w, options), x.dtype(), x.device());
  check_vector("conv2d", "bias", bias, x, w.dim(0));
  const Conv2dParams params = params_of(options, Use::training, num_pixels(y));
  Tensor sums = make_channel_sums(y, channel_sums);
  AKIMBO_KERNEL(x.device(), conv2d_forward)
  (exec_of(x.device()), view_of(x), {.weight = view_of(w)},
   {.shift = view_of(bias), .channel_sums = mutable_view_of(sums)}, params, mutable_view_of(y));
  if (!autograd::any_needs_grad({x, w, bias})) return y;

  autograd::attach(
      "conv2d", y, {x, w, bias},
      [sx = autograd::Saved(x), x_shape = x.shape(), sw = autograd::Saved(w), params](
          const Tensor& grad_y, const autograd::Needs& needs) {
        const Device device = grad_y.device();
        Tensor grad_x, grad_w;
        if (needs[0]) {
          grad_x = conv2d_input_grad(grad_y, sw.get(), x_shape, params,
                                     device.is_cpu() ? needs.take_sum(0) : Tensor());
        }
        if (needs[1]) {
          // f32 for 16-bit weights, which are copies of f32 ones: no rounding on the way back.
          grad_w = Tensor::empty(sw.get().shape(), vector_dtype(grad_y.dtype()), device);
          AKIMBO_KERNEL(device, conv2d_weight_grad)
          (exec_of(device), view_of(sx.get()), view_of(grad_y), params, mutable_view_of(grad_w));
        }
        return std::vector<Tensor>{grad_x, grad_w, needs[2] ? bias_grad(grad_y) : Tensor()};
      });
  return y;
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& bias,
                        const ConvTranspose2dOptions& options, Tensor* channel_sums) {
  Tensor y = Tensor::empty(checked_shape("conv_transpose2d", x, w, options), x.dtype(), x.device());
  check_vector("conv_transpose2d", "bias", bias, x, w.dim(0));
  const Conv2dParams params = params_of(options, Use::training, num_pixels(x));
  Tensor sums = make_channel_sums(y, channel_sums);
  AKIMBO_KERNEL(x.device(), conv_transpose2d_forward)
  (exec_of(x.device()), view_of(x), {.weight = view_of(w)},
   {.shift = view_of(bias), .channel_sums = mutable_view_of(sums)}, params, mutable_view_of(y));
  if (!autograd::any_needs_grad({x, w, bias})) return y;

  autograd::attach(
      "conv_transpose2d", y, {x, w, bias},
      [sx = autograd::Saved(x), x_shape = x.shape(), sw = autograd::Saved(w), params](
          const Tensor& grad_y, const autograd::Needs& needs) {
        const Device device = grad_y.device();
        Tensor grad_x, grad_w;
        if (needs[0]) {
          grad_x = Tensor::empty(x_shape, grad_y.dtype(), device);
          AKIMBO_KERNEL(device, conv_transpose2d_input_grad)
          (exec_of(device), view_of(grad_y), view_of(sw.get()), params, mutable_view_of(grad_x));
        }
        if (needs[1]) {
          // f32 for 16-bit weights, which are copies of f32 ones: no rounding on the way back.
          grad_w = Tensor::empty(sw.get().shape(), vector_dtype(grad_y.dtype()), device);
          AKIMBO_KERNEL(device, conv_transpose2d_weight_grad)
          (exec_of(device), view_of(sx.get()), view_of(grad_y), params, mutable_view_of(grad_w));
        }
        return std::vector<Tensor>{grad_x, grad_w, needs[2] ? bias_grad(grad_y) : Tensor()};
      });
  return y;
}

const Tensor& PackedConvWeight::converted(const Tensor& w, DType dtype) {
  if (converted_from_.defined() && w.is_same(converted_from_) &&
      w.version() == converted_version_ && converted_.dtype() == dtype) {
    return converted_;
  }
  converted_ = w.detach().to(dtype);
  converted_from_ = w.detach();
  converted_version_ = w.version();
  return converted_;
}

struct PackedConvWeight::Source {
  Tensor weight;  // keeps the storage alive, so that another tensor cannot pass for it
  std::uint64_t version;
  Conv2dParams params;
  kernels::ConvPackWeight* pack;
};

PackedConvWeight::PackedConvWeight() = default;
PackedConvWeight::~PackedConvWeight() = default;
PackedConvWeight::PackedConvWeight(PackedConvWeight&&) noexcept = default;
PackedConvWeight& PackedConvWeight::operator=(PackedConvWeight&&) noexcept = default;

void PackedConvWeight::clear() { *this = PackedConvWeight(); }

const Tensor& PackedConvWeight::update(const Tensor& w, const Conv2dOptions& options,
                                       std::int64_t pixels) {
  return update({w.detach(), w.version(), params_of(options, Use::inference, pixels),
                 AKIMBO_KERNEL(w.device(), conv2d_pack_weight)},
                AKIMBO_KERNEL(w.device(), conv2d_packed_numel));
}

const Tensor& PackedConvWeight::update(const Tensor& w, const ConvTranspose2dOptions& options,
                                       std::int64_t pixels) {
  return update({w.detach(), w.version(), params_of(options, Use::inference, pixels),
                 AKIMBO_KERNEL(w.device(), conv_transpose2d_pack_weight)},
                AKIMBO_KERNEL(w.device(), conv_transpose2d_packed_numel));
}

template <typename Numel>
const Tensor& PackedConvWeight::update(const Source& now, Numel* packed_numel) {
  const Tensor& w = now.weight;
  if (source_ != nullptr && w.is_same(source_->weight) && now.version == source_->version &&
      now.pack == source_->pack && equal(now.params, source_->params)) {
    return packed_;
  }
  const std::int64_t count = packed_numel(w.shape(), w.dtype(), now.params);
  packed_ = Tensor();
  if (count > 0) {
    packed_ = Tensor::empty({count}, w.dtype(), w.device());
    now.pack(exec_of(w.device()), view_of(w), now.params, mutable_view_of(packed_));
  }
  source_ = std::make_unique<Source>(now);
  return packed_;
}

namespace {

using ForwardKernel = kernels::Conv2dForward;  // that of the transposed convolution is the same

struct InferenceCall {
  const char* op;
  ForwardKernel* kernel;
  Conv2dParams params;
  Tensor weight, packed, scale, shift;
};

void run(const InferenceCall& call, const Tensor& x, const Tensor& residual, bool relu, Tensor& y) {
  call.kernel(exec_of(x.device()), view_of(x), {view_of(call.weight), view_of(call.packed)},
              {view_of(call.scale), view_of(call.shift), view_of(residual), relu}, call.params,
              mutable_view_of(y));
}

Tensor infer(InferenceCall call, const Tensor& x, const Tensor& weight, const ConvEpilogue& e,
             Tensor y) {
  check_epilogue(call.op, e, x, y.shape());
  call.scale = e.scale;
  call.shift = e.shift;
  if (trace::recorder() == nullptr) {
    run(call, x, e.residual, e.relu, y);
    return y;
  }
  const Conv2dParams p = call.params;
  return trace::note(
      {.op = call.op,
       .inputs = {x, e.residual},
       .constants = {{"weight", weight}, {"scale", e.scale}, {"shift", e.shift}},
       .options = {{"stride", p.stride},
                   {"padding", p.padding},
                   {"dilation", p.dilation},
                   {"groups", p.groups},
                   {"relu", e.relu}},
       .output = y,
       .compute = [call](const trace::Step& step, std::span<const Tensor> inputs, Tensor& out) {
         run(call, inputs[0], inputs[1], step.option("relu") != 0, out);
       }});
}

}  // namespace

Tensor conv2d_inference(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                        const Conv2dOptions& options, PackedConvWeight* packed) {
  const Tensor w = inference_weight(x, weight, packed);
  Tensor y = trace::new_map(checked_shape("conv2d", x, w, options), x.dtype(), x.device());
  const std::int64_t pixels = num_pixels(y);
  return infer({.op = "conv2d",
                .kernel = AKIMBO_KERNEL(x.device(), conv2d_forward),
                .params = params_of(options, Use::inference, pixels),
                .weight = w,
                .packed = packed != nullptr ? packed->update(w, options, pixels) : Tensor()},
               x, weight, epilogue, std::move(y));
}

Tensor conv_transpose2d_inference(const Tensor& x, const Tensor& weight,
                                  const ConvEpilogue& epilogue,
                                  const ConvTranspose2dOptions& options, PackedConvWeight* packed) {
  const Tensor w = inference_weight(x, weight, packed);
  Tensor y =
      trace::new_map(checked_shape("conv_transpose2d", x, w, options), x.dtype(), x.device());
  const std::int64_t pixels = num_pixels(x);
  return infer({.op = "conv_transpose2d",
                .kernel = AKIMBO_KERNEL(x.device(), conv_transpose2d_forward),
                .params = params_of(options, Use::inference, pixels),
                .weight = w,
                .packed = packed != nullptr ? packed->update(w, options, pixels) : Tensor()},
               x, weight, epilogue, std::move(y));
}

}  // namespace akimbo::ops
