#include "engine/core/stage_times.h"

#include <atomic>
#include <cmath>
#include <cstdint>

namespace akimbo {

namespace {

struct Counters {
  std::array<std::atomic<std::int64_t>, kNumStages> nanoseconds{};
};
Counters g_foreground, g_background, g_device;

thread_local StageTimer* t_timer = nullptr;
thread_local bool t_background = false;

std::array<double, kNumStages> seconds_of(const Counters& counters) {
  std::array<double, kNumStages> seconds{};
  for (std::size_t i = 0; i < kNumStages; ++i) {
    seconds[i] = 1e-9 * static_cast<double>(counters.nanoseconds[i].load());
  }
  return seconds;
}

}  // namespace

StageSeconds stage_seconds() {
  return {seconds_of(g_foreground), seconds_of(g_background), seconds_of(g_device)};
}

void add_device_seconds(Stage stage, double seconds) {
  g_device.nanoseconds[static_cast<std::size_t>(stage)] +=
      static_cast<std::int64_t>(std::llround(1e9 * seconds));
}

StageTimer::StageTimer(Stage stage) : stage_(stage), begin_(Clock::now()), outer_(t_timer) {
  t_timer = this;
}

StageTimer::~StageTimer() {
  const Clock::duration whole = Clock::now() - begin_;
  const auto own = std::chrono::duration_cast<std::chrono::nanoseconds>(whole - inner_);
  Counters& counters = t_background ? g_background : g_foreground;
  counters.nanoseconds[static_cast<std::size_t>(stage_)] += own.count();
  if (outer_ != nullptr) outer_->inner_ += whole;
  t_timer = outer_;
}

void mark_background_thread() { t_background = true; }

}  // namespace akimbo
