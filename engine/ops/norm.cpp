#include "engine/ops/norm.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "kernels/norm.h"

namespace akimbo::ops {
namespace {

void check_batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                      const Tensor& running_mean, const Tensor& running_var,
                      const BatchNormOptions& options, const Tensor& residual) {
  require_floating("batch_norm", "x", x);
  if (x.rank() < 2) {
    throw_error<ArgumentError>("[batch_norm] x has shape {}; wanted [..., C] of rank 2 or more",
                               x.shape().str());
  }
  const std::int64_t channels = x.dim(-1);
  require_channels("batch_norm", "gamma", gamma, channels, x);
  require_channels("batch_norm", "beta", beta, channels, x);
  if (running_mean.defined() != running_var.defined() ||
      (!options.training && !running_mean.defined())) {
    throw ArgumentError(
        "[batch_norm] running_mean and running_var are needed together, and always outside "
        "training; pass both");
  }
  if (running_mean.defined()) {
    require_channels("batch_norm", "running_mean", running_mean, channels, x);
    require_channels("batch_norm", "running_var", running_var, channels, x);
  }
  if (residual.defined()) require_like("batch_norm", "residual", residual, "x", x);
  if (options.training && channels > 0 && x.numel() / channels < 2) {
    throw_error<ArgumentError>(
        "[batch_norm] x {} has {} value per channel, and training needs at least two; use a "
        "larger batch, or training = false",
        x.shape().str(), x.numel() / channels);
  }
}

void check_channel_sums(const Tensor& sums, const Tensor& gamma) {
  if (sums.rank() == 3 && sums.dim(0) > 0 && sums.dim(1) == 2 && sums.dim(2) == gamma.dim(0) &&
      sums.dtype() == gamma.dtype() && sums.device() == gamma.device()) {
    return;
  }
  throw_error<ArgumentError>(
      "[batch_norm] channel_sums is {} {} on {}; pass what the convolution in front gave, {} "
      "[P,2,{}] on {}",
      dtype_name(sums.dtype()), sums.shape().str(), sums.device().str(), dtype_name(gamma.dtype()),
      gamma.dim(0), gamma.device().str());
}

struct Inputs {
  const Tensor &x, &gamma, &beta, &residual;
};

struct Statistics {
  Tensor mean, invstd;
};

Tensor normalised(const Inputs& in, const Statistics& statistics, bool relu) {
  const Device device = in.x.device();
  Tensor y = Tensor::empty(in.x.shape(), in.x.dtype(), device);
  AKIMBO_KERNEL(device, batch_norm_forward)
  (exec_of(device),
   {.x = view_of(in.x),
    .mean = view_of(statistics.mean),
    .invstd = view_of(statistics.invstd),
    .gamma = view_of(in.gamma),
    .beta = view_of(in.beta),
    .residual = view_of(in.residual),
    .relu = relu},
   mutable_view_of(y));
  return y;
}

// The batch's own statistics from the sums that a convolution took, and the running values moved
// towards them.
void statistics_from_sums(const Tensor& x, const BatchNormOptions& options, Statistics& statistics,
                          Tensor& running_mean, Tensor& running_var) {
  auto& [mean, invstd] = statistics;
  check_channel_sums(options.channel_sums, mean);
  if (mean.numel() == 0) return;
  const Device device = x.device();
  AKIMBO_KERNEL(device, batch_norm_statistics_from_sums)
  (exec_of(device), view_of(options.channel_sums), x.numel() / mean.numel(),
   {.eps = options.eps, .momentum = options.momentum}, mutable_view_of(mean),
   mutable_view_of(invstd), mutable_view_of(running_mean), mutable_view_of(running_var));
}

// Normalised by the batch's own statistics, which are found on the way.
Tensor trained(const Inputs& in, const BatchNormOptions& options, Statistics& statistics,
               Tensor& running_mean, Tensor& running_var) {
  if (options.channel_sums.defined()) {
    statistics_from_sums(in.x, options, statistics, running_mean, running_var);
    return normalised(in, statistics, options.relu);
  }
  const Device device = in.x.device();
  Tensor y = Tensor::empty(in.x.shape(), in.x.dtype(), device);
  AKIMBO_KERNEL(device, batch_norm_training)
  (exec_of(device),
   {.x = view_of(in.x),
    .gamma = view_of(in.gamma),
    .beta = view_of(in.beta),
    .residual = view_of(in.residual),
    .relu = options.relu,
    .params = {.eps = options.eps, .momentum = options.momentum}},
   {.mean = mutable_view_of(statistics.mean),
    .invstd = mutable_view_of(statistics.invstd),
    .running_mean = mutable_view_of(running_mean),
    .running_var = mutable_view_of(running_var),
    .y = mutable_view_of(y)});
  return y;
}

// On the CPU the output is made again where it is wanted: half of the memory of a training step
// would be outputs. A residual is kept for that only beside a ReLU, where the layers around read it
// anyway. Null: the output is saved as it is.
std::shared_ptr<autograd::Recipe> recipe_of(const Inputs& in, const Statistics& statistics,
                                            bool relu) {
  if (!in.x.device().is_cpu() || (in.residual.defined() && !relu)) return nullptr;
  using autograd::Saved;
  return std::make_shared<autograd::Recipe>([x = Saved(in.x), gamma = Saved(in.gamma),
                                             beta = Saved(in.beta), residual = Saved(in.residual),
                                             statistics, relu] {
    return normalised({x.get(), gamma.get(), beta.get(), residual.get()}, statistics, relu);
  });
}

// Keeps x, the statistics, and behind a residual and a ReLU the output; without a residual the
// ReLU's mask is worked out again from x, as the forward pass did it.
void attach_grad(Tensor& y, const Inputs& in, const Statistics& statistics,
                 const BatchNormOptions& options) {
  using autograd::Saved;
  const bool masked = options.relu && in.residual.defined();
  const auto recipe = recipe_of(in, statistics, options.relu);
  autograd::attach(
      "batch_norm", y, {in.x, in.gamma, in.beta, in.residual},
      [sx = Saved(in.x), sgamma = Saved(in.gamma),
       sbeta = options.relu && !masked ? Saved(in.beta) : Saved(),
       sy = !masked  ? Saved()
            : recipe ? Saved(recipe)
                     : Saved(y),
       masked, statistics,
       training = options.training](const Tensor& grad_y, const autograd::Needs& needs) {
        const Tensor& x = sx.get();
        const Tensor& gamma = sgamma.get();
        const Device device = x.device();
        std::vector<Tensor> grads(4);
        if (needs[0]) grads[0] = Tensor::empty(x.shape(), x.dtype(), device);
        if (needs[1]) grads[1] = Tensor::empty(gamma.shape(), gamma.dtype(), device);
        if (needs[2]) grads[2] = Tensor::empty(gamma.shape(), gamma.dtype(), device);
        if (needs[3]) grads[3] = masked ? Tensor::empty(x.shape(), x.dtype(), device) : grad_y;
        AKIMBO_KERNEL(device, batch_norm_grad)
        (exec_of(device), {.x = view_of(x),
                           .mean = view_of(statistics.mean),
                           .invstd = view_of(statistics.invstd),
                           .gamma = view_of(gamma),
                           .y = view_of(sy.get()),
                           .beta = view_of(sbeta.get()),
                           .grad_y = view_of(grad_y),
                           .training = training,
                           .grad_x = mutable_view_of(grads[0]),
                           .grad_gamma = mutable_view_of(grads[1]),
                           .grad_beta = mutable_view_of(grads[2]),
                           .grad_residual = masked ? mutable_view_of(grads[3]) : kernels::View{}});
        return grads;
      });
  if (recipe) autograd::attach_recipe(y, recipe);
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                  Tensor& running_var, const BatchNormOptions& options, const Tensor& residual) {
  check_batch_norm(x, gamma, beta, running_mean, running_var, options, residual);
  const Device device = x.device();
  Statistics statistics{{}, Tensor::empty(gamma.shape(), gamma.dtype(), device)};
  auto& [mean, invstd] = statistics;
  const Inputs inputs{x, gamma, beta, residual};
  Tensor y;
  if (options.training) {
    mean = Tensor::empty(gamma.shape(), gamma.dtype(), device);
    y = trained(inputs, options, statistics, running_mean, running_var);
  } else {
    // A copy: a later training step writes to the running values before or while backward reads.
    mean = autograd::any_needs_grad({x, gamma, beta}) ? running_mean.clone() : running_mean;
    AKIMBO_KERNEL(device, batch_norm_invstd)
    (exec_of(device), view_of(running_var), options.eps, mutable_view_of(invstd));
    y = normalised(inputs, statistics, options.relu);
  }
  if (autograd::any_needs_grad({x, gamma, beta, residual})) {
    attach_grad(y, inputs, statistics, options);
  }
  return y;
}

}  // namespace akimbo::ops
