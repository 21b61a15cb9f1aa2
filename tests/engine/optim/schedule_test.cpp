#include "engine/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"

namespace akimbo::optim {
namespace {

TEST(Schedule, MultistepDropsAtItsMilestones) {
  const ScheduleOptions options{.kind = ScheduleKind::multistep, .milestones = {90, 120}};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1e-3, 0), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1e-3, 89), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1e-3, 90), 1e-4);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1e-3, 119), 1e-4);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1e-3, 120), 1e-5);
}

TEST(Schedule, StepDropsEverySoManyEpochs) {
  const ScheduleOptions options{.kind = ScheduleKind::step, .step_epochs = 3, .factor = 0.5};
  EXPECT_EQ(learning_rate_at(options, 1, 2), 1);
  EXPECT_EQ(learning_rate_at(options, 1, 3), 0.5);
  EXPECT_EQ(learning_rate_at(options, 1, 8), 0.25);
}

TEST(Schedule, CosineFallsFromBaseToItsFloor) {
  ScheduleOptions options{.kind = ScheduleKind::cosine, .num_epochs = 10, .min_factor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 2, 0), 2);
  EXPECT_NEAR(learning_rate_at(options, 2, 5), 2 * 0.55, 1e-15);
  EXPECT_NEAR(learning_rate_at(options, 2, 10), 0.2, 1e-15);
  EXPECT_NEAR(learning_rate_at(options, 2, 11), 0.2, 1e-15);
  EXPECT_EQ(learning_rate_at(options, 2, 5, 3, 4), learning_rate_at(options, 2, 5));
  options.per_step = true;
  EXPECT_NEAR(learning_rate_at(options, 2, 5, 2, 4),
              2 * (0.1 + 0.9 * (1 + std::cos(M_PI * 0.55)) / 2), 1e-15);
}

TEST(Schedule, WarmUpRisesLinearlyThenEnds) {
  const ScheduleOptions options{.warmup_steps = 10, .warmup_factor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1, 0, 0, 4), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1, 1, 1, 4), 0.1 + 0.9 * 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1, 2, 2, 4), 1);
}

TEST(Schedule, NonsenseIsRefused) {
  EXPECT_THROW((void)learning_rate_at({.kind = ScheduleKind::step, .step_epochs = 0}, 1, 0),
               ArgumentError);
  EXPECT_THROW((void)learning_rate_at({.kind = ScheduleKind::cosine, .num_epochs = 0}, 1, 0),
               ArgumentError);
  EXPECT_THROW((void)learning_rate_at({}, 1, 0, 0, 0), ArgumentError);
  EXPECT_THROW((void)learning_rate_at({.warmup_steps = -1}, 1, 0), ArgumentError);
}

}  // namespace
}  // namespace akimbo::optim
