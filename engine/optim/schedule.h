// Learning rates over time, as pure functions of epoch and step: resuming needs no state.
#pragma once

#include <cstdint>
#include <vector>

namespace akimbo::optim {

enum class ScheduleKind { constant, step, multistep, cosine };

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::constant;
  std::vector<std::int64_t> milestones;  // multistep: 0-based epochs from which on it is lower
  std::int64_t step_epochs = 1;          // step: lower every so many epochs
  double factor = 0.1;                   // step, multistep: multiplier of each drop
  std::int64_t num_epochs = 1;           // cosine: length of the half wave
  double min_factor = 0;                 // cosine: share of the base rate at its end
  bool per_step = false;                 // cosine: moves with every step, not every epoch
  std::int64_t warmup_steps = 0;         // linear warm-up over the first steps of training ...
  double warmup_factor = 0.001;          // ... from this share of the rate that holds then
};

// Rate of `step` (0-based, of steps_per_epoch) in `epoch` (0-based):
//   multistep  base factor^(number of milestones <= epoch)
//   step       base factor^(floor(epoch / step_epochs))
//   cosine     base (min_factor + (1 - min_factor) (1 + cos(pi t / num_epochs)) / 2), t in epochs
// times, in the first warmup_steps steps, warmup_factor + (1 - warmup_factor) k / warmup_steps.
// Throws ArgumentError for options without sense.
[[nodiscard]] double learning_rate_at(const ScheduleOptions& options, double base_rate,
                                      std::int64_t epoch, std::int64_t step = 0,
                                      std::int64_t steps_per_epoch = 1);

}  // namespace akimbo::optim
