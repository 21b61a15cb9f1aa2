// What happens to gradients between the backward pass and the update, without a look from the host:
// their common norm, clipping, and the scale of f16 losses.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::optim {

struct GradientFactor {
  Tensor factor;  // f64 [1], for Optimizer::step: NaN where the norm is not finite
  Tensor norm;    // f64 [1], of the gradients without loss scale, before clipping
};

// With norm = |gradients| / loss_scale: factor = min(1, max_norm / (norm + 1e-6)) / loss_scale;
// max_norm 0 does not clip. loss_scale f64 [>= 1] on the gradients' device, or undefined (1). The
// results lie on that device. Throws ArgumentError when no parameter has a gradient.
[[nodiscard]] GradientFactor gradient_factor(const std::vector<Tensor>& parameters,
                                             double max_norm = 0, const Tensor& loss_scale = {});

struct LossScaleOptions {
  double start = 65536;
  double growth = 2, shrink = 0.5;
  std::int64_t interval = 2000;  // finite steps before it grows
};

// The factor of the loss that keeps f16 gradients away from zero. It shrinks when gradients
// overflow (the step is skipped then) and grows after many steps that did not. Lives on the device.
class LossScale {
 public:
  explicit LossScale(Device device, const LossScaleOptions& options = {});

  // For loss.backward(seed()): f32 [1].
  [[nodiscard]] Tensor seed() const;
  // For gradient_factor().
  [[nodiscard]] const Tensor& scale() const { return state_; }
  // After each step, with that step's factor.
  void update(const Tensor& grad_factor);

  struct State {
    double scale = 1;
    double num_good_steps = 0;  // since it last changed
  };
  [[nodiscard]] State state() const;
  void set_state(const State& state);

 private:
  LossScaleOptions options_;
  Tensor state_;  // f64 [2]
};

}  // namespace akimbo::optim
