// Which accesses of a block's threads are ordered by barriers that only some of its threads take
// part in: an arrival releases what the thread did before, a wait acquires it (vector clocks). What
// a barrier of the whole block orders, the race checker knows by its own time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cuda/emulator/race.h"

namespace akimbo::kernels::device::emulator {

// Of each thread, the time up to which its accesses are known; empty: of none.
using Clock = std::vector<std::uint32_t>;

inline void merge(Clock& into, const Clock& from) {
  if (into.size() < from.size()) into.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

// Time (race_context.stamp) is one count for all threads, and grows with each release.
class Ordering {
 public:
  // Of a block of num_threads, and others that take part as if they were threads (wgmma).
  void start_over(std::size_t num_threads, std::size_t num_with_others) {
    race_context.stamp = 0;
    num_clocks_ = num_with_others;
    known_.assign(num_threads, {});
    fenced_.assign(num_threads, 0);
  }
  // What `thread` did and knows until now goes into `clock`.
  void release(int thread, Clock& clock) {
    const auto index = static_cast<std::size_t>(thread);
    merge(clock, known_[index]);
    if (clock.size() < num_clocks_) clock.resize(num_clocks_);
    clock[index] = ++race_context.stamp;
  }
  void acquire(int thread, const Clock& clock) {
    merge(known_[static_cast<std::size_t>(thread)], clock);
  }
  // What `other` did before `stamp`.
  void acquire(int thread, int other, std::uint32_t stamp) {
    Clock& clock = known_[static_cast<std::size_t>(thread)];
    if (clock.size() < num_clocks_) clock.resize(num_clocks_);
    auto& known = clock[static_cast<std::size_t>(other)];
    known = std::max(known, stamp);
  }
  // Whether `thread` may rely on what `other` did at `stamp`; -2 for `other` is several threads, of
  // which one has to do.
  [[nodiscard]] bool knows(int thread, int other, std::uint32_t stamp) const {
    const Clock& clock = known_[static_cast<std::size_t>(thread)];
    if (clock.empty()) return false;
    if (other < 0) return stamp < *std::max_element(clock.begin(), clock.end());
    return stamp < clock[static_cast<std::size_t>(other)];
  }

  // fence_async_shared() of a thread, and whether what it wrote at `stamp` came before.
  void fence(int thread) { fenced_[static_cast<std::size_t>(thread)] = ++race_context.stamp; }
  [[nodiscard]] bool is_fenced(int thread, std::uint32_t stamp) const {
    return stamp < fenced_[static_cast<std::size_t>(thread)];
  }

 private:
  std::size_t num_clocks_ = 0;
  std::vector<Clock> known_;
  std::vector<std::uint32_t> fenced_;
};

}  // namespace akimbo::kernels::device::emulator
