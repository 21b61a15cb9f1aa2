// One block of memory that values of steps in lanes share: a value may take the place of another
// only when the step that first uses it comes after all that used the other.
#pragma once

#include <cstddef>
#include <map>

#include "engine/core/lane_scheduler.h"

namespace akimbo {

class LaneArena {
 public:
  // Values lie at multiples of it. The first granule is nobody's: a pointer to it would be one to
  // the block itself.
  static constexpr std::size_t kGranule = 512;
  // What a value of that many bytes takes.
  [[nodiscard]] static std::size_t round_up(std::size_t bytes);

  // A place for `bytes` that the step begun last uses first. In order of preference: the smallest
  // free place whose users that step comes after anyhow; new memory, while the block is no larger
  // than `limit`; the free place that was given up first, for whose users the step then waits; new
  // memory.
  [[nodiscard]] std::size_t place(std::size_t bytes, std::size_t limit, LaneScheduler& scheduler);
  // Gives the place up; `users` are the last steps that used it.
  void release(std::size_t offset, const LaneClock& users);

  [[nodiscard]] std::size_t total_bytes() const { return total_; }

 private:
  struct Segment {
    std::size_t size = 0;
    bool is_free = false;
    LaneClock users;  // of the last to lie here
  };
  using Segments = std::map<std::size_t, Segment>;  // by offset, without gaps
  struct Place {
    Segments::iterator first;
    std::size_t size = 0;  // of the free segments from `first` on
    int wait = -1;         // the latest step to be waited for
  };

  [[nodiscard]] Place best_ready(std::size_t bytes, const LaneScheduler& scheduler);
  [[nodiscard]] Place longest_idle(std::size_t bytes, const LaneScheduler& scheduler);
  [[nodiscard]] Place at_end(std::size_t bytes, const LaneScheduler& scheduler);
  std::size_t take(Segments::iterator first, std::size_t bytes, LaneScheduler& scheduler);

  Segments segments_;
  std::size_t total_ = kGranule;
};

}  // namespace akimbo
