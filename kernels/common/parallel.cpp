// A pool of threads of our own. OpenMP's spin for milliseconds at the end of a loop, which starves
// the thread that they wait for where other work shares the cores: beside two compilers training
// fell from 157 to 5 images/s. Here a helper spins for some tens of microseconds, which covers the
// gap between two loops of a network, and then sleeps; and a loop never waits for a helper that
// has not yet begun: it takes the job back.
#include "kernels/common/parallel.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akimbo::kernels {
namespace {

std::atomic<int> g_num_threads{0};
thread_local bool t_serial = false;  // in a loop already, or under a SerialScope

// About 30 us: each pause takes some 40 cycles on current processors.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

template <typename T>
void wait_while(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
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

// A thread and its letter box. What lies in the box belongs to whoever swaps it out; `working`
// holds the job that the helper took until it is done with it.
class Helper {
 public:
  Helper() : thread_([this] { run(); }) { thread_.detach(); }

  void give(Job* job) {
    box_.store(job, std::memory_order_release);
    box_.notify_one();
  }

  // On return the helper is done with `job`, or never saw it.
  void take_back(Job* job) {
    Job* expected = job;
    if (box_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel)) return;
    wait_while(busy_, true);
  }

 private:
  void run() {
    t_serial = true;
    for (;;) {
      wait_while<Job*>(box_, nullptr);
      // Busy before the box is emptied, so that a job is always seen in one of the two.
      busy_.store(true, std::memory_order_seq_cst);
      Job* job = box_.exchange(nullptr, std::memory_order_seq_cst);
      if (job != nullptr) job->work();
      busy_.store(false, std::memory_order_release);
      busy_.notify_all();
    }
  }

  alignas(64) std::atomic<Job*> box_{nullptr};
  alignas(64) std::atomic<bool> busy_{false};
  std::thread thread_;
};

class Pool {
 public:
  // False when another thread uses the pool: the caller then works alone.
  bool run(Job& job, int num_threads) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return false;
    const auto num_helpers = static_cast<std::size_t>(num_threads - 1);
    while (helpers_.size() < num_helpers) helpers_.push_back(std::make_unique<Helper>());
    for (std::size_t i = 0; i < num_helpers; ++i) helpers_[i]->give(&job);
    t_serial = true;
    job.work();
    t_serial = false;
    for (std::size_t i = 0; i < num_helpers; ++i) helpers_[i]->take_back(&job);
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Helper>> helpers_;
};

// Never destroyed: its threads live until the process ends.
Pool& pool() {
  static auto* pool = new Pool;
  return *pool;
}

int default_num_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    int n = 0;
    const auto end = std::from_chars(text, text + std::strlen(text), n).ptr;
    if (end != text && n > 0) return n;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

void set_num_threads(int num_threads) { g_num_threads = std::max(0, num_threads); }

int num_threads() {
  static const int fallback = default_num_threads();
  const int n = g_num_threads;
  return n > 0 ? n : fallback;
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t num_chunks = (count + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<std::int64_t>(num_threads(), num_chunks));
  Job job(count, grain, body);
  if (threads <= 1 || t_serial || !pool().run(job, threads)) job.work();
  job.rethrow();
}

SerialScope::SerialScope() : previous_(t_serial) { t_serial = true; }
SerialScope::~SerialScope() { t_serial = previous_; }

}  // namespace akimbo::kernels
