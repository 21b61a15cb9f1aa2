// Where the time of a run goes: seconds spent in each stage of the way from a file to a score, by
// all threads of the process together. Programs report the differences (apps/common/time_report.h).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace akimbo {

// decode: reading and decoding pictures; pack: copying what a GPU cuts crops from; upload: to the
// GPU; crop: warping and normalising; target: heatmaps to learn; wait: for a batch that data
// threads have not finished. The network's time on a GPU ends with the launch; what remains is
// waited for by the stage behind it.
enum class Stage { decode, pack, upload, crop, target, wait, network, postprocess, output };
inline constexpr std::size_t kNumStages = 9;

struct StageSeconds {
  std::array<double, kNumStages> foreground{};  // by threads that a run's time is made of
  std::array<double, kNumStages> background{};  // by data threads beside them
  std::array<double, kNumStages> device{};      // by a GPU beside both (device_timer.h)
};

// Since the process began.
[[nodiscard]] StageSeconds stage_seconds();

// Adds the time of its life to a stage, without that of timers within it on the same thread.
class StageTimer {
 public:
  explicit StageTimer(Stage stage);
  ~StageTimer();
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  Stage stage_;
  Clock::time_point begin_;
  Clock::duration inner_{};  // of timers within
  StageTimer* outer_;
};

// Time that a GPU spent on a stage.
void add_device_seconds(Stage stage, double seconds);

// This thread's stages count as background from now on.
void mark_background_thread();

}  // namespace akimbo
