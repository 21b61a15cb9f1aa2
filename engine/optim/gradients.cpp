#include "engine/optim/gradients.h"

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/optim.h"

namespace akimbo::optim {

GradientFactor gradient_factor(const std::vector<Tensor>& parameters, double max_norm,
                               const Tensor& loss_scale) {
  std::vector<kernels::ConstView> grads;
  std::vector<Tensor> kept;  // grad() gives a new reference
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    kept.push_back(parameter.grad());
    grads.push_back(view_of(kept.back()));
  }
  if (kept.empty()) {
    throw ArgumentError("[gradient_factor] no parameter has a gradient; call backward() first");
  }
  const Device device = kept.front().device();
  Tensor sum = Tensor::empty({1}, DType::f64, device);
  GradientFactor result{.factor = Tensor::empty({1}, DType::f64, device),
                        .norm = Tensor::empty({1}, DType::f64, device)};
  AKIMBO_KERNEL(device, sum_of_squares)(exec_of(device), grads, mutable_view_of(sum));
  AKIMBO_KERNEL(device, grad_factor)
  (exec_of(device), view_of(sum), {.max_norm = max_norm, .loss_scale = view_of(loss_scale)},
   mutable_view_of(result.factor), mutable_view_of(result.norm));
  return result;
}

LossScale::LossScale(Device device, const LossScaleOptions& options)
    : options_(options), state_(Tensor::empty({2}, DType::f64, device)) {
  set_state({.scale = options.start});
}

Tensor LossScale::seed() const { return state_.rows(0, 1).to(DType::f32); }

void LossScale::update(const Tensor& grad_factor) {
  const Device device = state_.device();
  AKIMBO_KERNEL(device, loss_scale_update)
  (exec_of(device), view_of(grad_factor),
   {.growth = options_.growth, .shrink = options_.shrink, .interval = options_.interval},
   mutable_view_of(state_));
}

LossScale::State LossScale::state() const {
  const Tensor values = state_.to(kCpu);
  return {.scale = values.values<double>()[0], .num_good_steps = values.values<double>()[1]};
}

void LossScale::set_state(const State& state) {
  state_.copy_from(
      Tensor::from_values<double>({2}, std::vector<double>{state.scale, state.num_good_steps}));
}

}  // namespace akimbo::optim
