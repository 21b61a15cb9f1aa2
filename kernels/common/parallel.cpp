// A pool of threads of our own. OpenMP's spin for milliseconds at the end of a loop, which starves
// the thread that they wait for where other work shares the cores: beside two compilers training
// fell from 157 to 5 images/s. Here a helper spins for some tens of microseconds, which covers the
// gap between two loops of a network, and then sleeps; and a loop never waits for a helper that
// has not yet begun: it takes the job back.
#include "kernels/common/parallel.h"

#include "kernels/common/parallel_job.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace akimbo::kernels {
namespace {

std::atomic<int> g_num_threads{0};
thread_local bool t_serial = false;  // in a loop already, or under a SerialScope
thread_local Team* t_team = nullptr;
thread_local std::size_t t_seat = 0;  // in t_team

// About 30 us: each pause takes some 40 cycles on current processors.
constexpr int kSpins = 2000;

template <typename T>
void wait_while(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

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
  if (t_team != nullptr && !t_serial && num_chunks > 1) {
    const SerialScope inner;
    t_team->run(job, t_seat);
  } else if (threads <= 1 || t_serial || !pool().run(job, threads)) {
    job.work();
  }
  job.rethrow();
}

TeamScope::TeamScope(Team& team, std::size_t seat) : was_serial_(t_serial) {
  t_team = &team;
  t_seat = seat;
  t_serial = false;
}
TeamScope::~TeamScope() {
  t_team = nullptr;
  t_serial = was_serial_;
}

bool runs_serially() { return t_serial || t_team != nullptr || num_threads() == 1; }

SerialScope::SerialScope() : previous_(t_serial) { t_serial = true; }
SerialScope::~SerialScope() { t_serial = previous_; }

}  // namespace akimbo::kernels
