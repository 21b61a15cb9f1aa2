#include "engine/nn/layers.h"

#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"

namespace akimbo::nn {
namespace {

thread_local MacCounter* t_counter = nullptr;

void check_shape(const char* layer, const Conv2dShape& shape, std::int64_t groups) {
  if (shape.in_channels < 1 || shape.out_channels < 1 || shape.kernel < 1 || groups < 1 ||
      shape.in_channels % groups != 0 || shape.out_channels % groups != 0) {
    throw_error<ArgumentError>(
        "[{}] {} to {} channels, kernel {}, groups {}: all must be at least 1, and both channel "
        "counts multiples of the groups",
        layer, shape.in_channels, shape.out_channels, shape.kernel, groups);
  }
}

bool is_same_write(const Tensor& a, std::uint64_t version, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.is_same(b) && a.dtype() == b.dtype() && version == b.version();
}

// The weight as maps of x's dtype want it: parameters stay f32 beside 16-bit maps.
Tensor weight_for(const Tensor& x, const Tensor& weight) {
  return is_half(x.dtype()) ? ops::cast_parameter(weight, x.dtype()) : weight;
}

}  // namespace

Conv2d::Conv2d(const Conv2dShape& shape, const ops::Conv2dOptions& conv_options)
    : options(conv_options) {
  check_shape("Conv2d", shape, options.groups);
  weight = Tensor::zeros(
      {shape.out_channels, shape.kernel, shape.kernel, shape.in_channels / options.groups});
  register_parameter("weight", weight);
  if (!shape.bias) return;
  bias = Tensor::zeros({shape.out_channels});
  register_parameter("bias", bias);
}

Tensor Conv2d::forward(const Tensor& x, Tensor* channel_sums) {
  if (!autograd::any_needs_grad({x, weight, bias})) return inference(x, {.shift = bias});
  packed_.clear();
  Tensor y = ops::conv2d(x, weight_for(x, weight), bias, options, channel_sums);
  MacCounter::add(y.numel() / y.dim(3) * weight.numel());
  return y;
}

Tensor Conv2d::inference(const Tensor& x, const ops::ConvEpilogue& epilogue) {
  Tensor y = ops::conv2d_inference(x, weight, epilogue, options, &packed_);
  MacCounter::add(y.numel() / y.dim(3) * weight.numel());
  return y;
}

ConvTranspose2d::ConvTranspose2d(const Conv2dShape& shape,
                                 const ops::ConvTranspose2dOptions& conv_options)
    : options(conv_options) {
  check_shape("ConvTranspose2d", shape, options.groups);
  weight = Tensor::zeros(
      {shape.out_channels, shape.kernel, shape.kernel, shape.in_channels / options.groups});
  register_parameter("weight", weight);
  if (!shape.bias) return;
  bias = Tensor::zeros({shape.out_channels});
  register_parameter("bias", bias);
}

Tensor ConvTranspose2d::forward(const Tensor& x, Tensor* channel_sums) {
  if (!autograd::any_needs_grad({x, weight, bias})) return inference(x, {.shift = bias});
  packed_.clear();
  MacCounter::add(x.numel() / x.dim(3) * weight.numel());
  return ops::conv_transpose2d(x, weight_for(x, weight), bias, options, channel_sums);
}

Tensor ConvTranspose2d::inference(const Tensor& x, const ops::ConvEpilogue& epilogue) {
  MacCounter::add(x.numel() / x.dim(3) * weight.numel());
  return ops::conv_transpose2d_inference(x, weight, epilogue, options, &packed_);
}

BatchNorm2d::BatchNorm2d(std::int64_t channels, double epsilon, double running_momentum)
    : weight(Tensor::full({channels}, 1)),
      bias(Tensor::zeros({channels})),
      running_mean(Tensor::zeros({channels})),
      running_var(Tensor::full({channels}, 1)),
      num_batches_tracked(Tensor::zeros({}, DType::i64)),
      eps(epsilon),
      momentum(running_momentum) {
  register_parameter("weight", weight);
  register_parameter("bias", bias);
  register_buffer("running_mean", running_mean);
  register_buffer("running_var", running_var);
  register_buffer("num_batches_tracked", num_batches_tracked);
}

Tensor BatchNorm2d::forward(const Tensor& x, bool relu, const Tensor& residual,
                            const Tensor& channel_sums) {
  if (is_training()) {
    each_pass([count = num_batches_tracked]() mutable { ++*count.data<std::int64_t>(); });
  }
  return ops::batch_norm(x, weight, bias, running_mean, running_var,
                         {.training = is_training(),
                          .eps = eps,
                          .momentum = momentum,
                          .relu = relu,
                          .channel_sums = channel_sums},
                         residual);
}

const BatchNorm2d::Folded& BatchNorm2d::folded(const Tensor& conv_bias) {
  const Tensor* now[] = {&weight, &bias, &running_mean, &running_var, &conv_bias};
  bool fresh = folded_.scale.defined();
  for (int i = 0; i < 5; ++i) {
    fresh = fresh && is_same_write(sources_[i].tensor, sources_[i].version, *now[i]);
  }
  if (fresh) return folded_;
  const auto values = [](const Tensor& t) { return t.detach().to(kCpu).to(DType::f64); };
  const Tensor gamma = values(weight), beta = values(bias);
  const Tensor mean = values(running_mean), var = values(running_var);
  const Tensor added = conv_bias.defined() ? values(conv_bias) : Tensor();
  Tensor scale = Tensor::empty(gamma.shape(), DType::f64), shift = scale.clone();
  for (std::int64_t c = 0; c < gamma.numel(); ++c) {
    const double s = gamma.values<double>()[c] / std::sqrt(var.values<double>()[c] + eps);
    const double b = added.defined() ? added.values<double>()[c] : 0.0;
    scale.data<double>()[c] = s;
    shift.data<double>()[c] = beta.values<double>()[c] + (b - mean.values<double>()[c]) * s;
  }
  folded_.scale = scale.to(weight.dtype()).to(weight.device());
  folded_.shift = shift.to(weight.dtype()).to(weight.device());
  // Keeping the sources alive makes their identity certain: no other tensor can take their place.
  for (int i = 0; i < 5; ++i) {
    sources_[i] = now[i]->defined() ? Source{now[i]->detach(), now[i]->version()} : Source{};
  }
  return folded_;
}

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool with_bias) {
  if (in_features < 1 || out_features < 1) {
    throw_error<ArgumentError>("[Linear] {} to {} features; both must be at least 1", in_features,
                               out_features);
  }
  weight = Tensor::zeros({out_features, in_features});
  register_parameter("weight", weight);
  if (!with_bias) return;
  bias = Tensor::zeros({out_features});
  register_parameter("bias", bias);
}

Tensor Linear::forward(const Tensor& x) {
  MacCounter::add(x.numel() / x.dim(-1) * weight.numel());
  return ops::linear(x, weight_for(x, weight), bias);
}

MacCounter::MacCounter() : previous_(t_counter) { t_counter = this; }
MacCounter::~MacCounter() { t_counter = previous_; }
void MacCounter::add(std::int64_t macs) {
  for (MacCounter* counter = t_counter; counter != nullptr; counter = counter->previous_) {
    counter->macs_ += macs;
  }
}

}  // namespace akimbo::nn
