// What parallel_for is made of, for those who run several loops side by side (step_graph.cpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/common/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akimbo::kernels {

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// One parallel_for: chunks are handed out in order to whoever comes next.
class Job {
 public:
  Job(std::int64_t count, std::int64_t grain,
      const std::function<void(std::int64_t, std::int64_t)>& body)
      : count_(count), grain_(grain), body_(body) {}

  void work() {
    for (;;) {
      const std::int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= count_) return;
      try {
        body_(begin, std::min(count_, begin + grain_));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
    }
  }

  [[nodiscard]] bool is_handed_out() const {
    return next_.load(std::memory_order_relaxed) >= count_;
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::int64_t count_, grain_;
  const std::function<void(std::int64_t, std::int64_t)>& body_;
  std::atomic<std::int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
};

// Threads that each run loops of their own and help one another when they have none.
class Team {
 public:
  explicit Team(std::size_t seats) : seats_(seats) {}

  // Runs the loop of the thread on `seat`, with whoever comes to help.
  void run(Job& job, std::size_t seat) {
    Seat& own = seats_[seat];
    own.job.store(&job);
    job.work();
    // Who saw the job has counted himself before, and is waited for; after this nobody sees it.
    own.job.store(nullptr);
    for (int spins = 0; own.helpers.load() != 0; ++spins) rest(spins);
  }

  // Joins somebody's loop until it has no chunks left; false if there was none.
  bool help() {
    const SerialScope inner;
    for (Seat& seat : seats_) {
      if (seat.job.load(std::memory_order_relaxed) == nullptr) continue;
      seat.helpers.fetch_add(1);
      Job* job = seat.job.load();
      const bool found = job != nullptr && !job->is_handed_out();
      if (found) job->work();
      seat.helpers.fetch_sub(1);
      if (found) return true;
    }
    return false;
  }

  // Gives the core to others after some tens of microseconds.
  static void rest(int spins) { spins < 2000 ? pause() : std::this_thread::yield(); }

 private:
  struct alignas(64) Seat {
    std::atomic<Job*> job{nullptr};
    std::atomic<int> helpers{0};
  };
  std::vector<Seat> seats_;
};

// While one lives, the loops of this thread are its team's.
class TeamScope {
 public:
  TeamScope(Team& team, std::size_t seat);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  bool was_serial_;
};

// Whether a parallel_for of this thread would have no other threads to itself.
[[nodiscard]] bool runs_serially();

}  // namespace akimbo::kernels
