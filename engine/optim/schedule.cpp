#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/error.h"

namespace akimbo::optim {
namespace {

void check(const ScheduleOptions& options, std::int64_t steps_per_epoch) {
  if (options.kind == ScheduleKind::step && options.step_epochs < 1) {
    throw_error<ArgumentError>("[schedule] step_epochs is {}, it must be at least 1",
                               options.step_epochs);
  }
  if (options.kind == ScheduleKind::cosine && options.num_epochs < 1) {
    throw_error<ArgumentError>("[schedule] num_epochs is {}, it must be at least 1",
                               options.num_epochs);
  }
  if (options.warmup_steps < 0 || steps_per_epoch < 1) {
    throw_error<ArgumentError>(
        "[schedule] warmup_steps is {} and steps_per_epoch {}; at least 0 and 1 are wanted",
        options.warmup_steps, steps_per_epoch);
  }
}

double cosine_factor(const ScheduleOptions& options, double epochs) {
  const double t = std::min(epochs, static_cast<double>(options.num_epochs));
  const double wave =
      (1 + std::cos(std::numbers::pi * t / static_cast<double>(options.num_epochs))) / 2;
  return options.min_factor + (1 - options.min_factor) * wave;
}

double factor_at(const ScheduleOptions& options, std::int64_t epoch, double fraction) {
  switch (options.kind) {
    case ScheduleKind::constant: return 1;
    case ScheduleKind::step:
      return std::pow(options.factor, static_cast<double>(epoch / options.step_epochs));
    case ScheduleKind::multistep: {
      const auto passed = std::count_if(options.milestones.begin(), options.milestones.end(),
                                        [&](std::int64_t m) { return m <= epoch; });
      return std::pow(options.factor, static_cast<double>(passed));
    }
    case ScheduleKind::cosine:
      return cosine_factor(options,
                           static_cast<double>(epoch) + (options.per_step ? fraction : 0.0));
  }
  return 1;
}

}  // namespace

double learning_rate_at(const ScheduleOptions& options, double base_rate, std::int64_t epoch,
                        std::int64_t step, std::int64_t steps_per_epoch) {
  check(options, steps_per_epoch);
  const double fraction = static_cast<double>(step) / static_cast<double>(steps_per_epoch);
  double rate = base_rate * factor_at(options, epoch, fraction);
  const std::int64_t total_step = epoch * steps_per_epoch + step;
  if (total_step < options.warmup_steps) {
    const double share =
        static_cast<double>(total_step) / static_cast<double>(options.warmup_steps);
    rate *= options.warmup_factor + (1 - options.warmup_factor) * share;
  }
  return rate;
}

}  // namespace akimbo::optim
