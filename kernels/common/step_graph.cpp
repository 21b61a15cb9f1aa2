#include "kernels/common/step_graph.h"

#include <cstddef>
#include <functional>
#include <queue>
#include <utility>

#include "kernels/common/parallel.h"
#include "kernels/common/parallel_job.h"

namespace akimbo::kernels {
namespace {

// Which steps can begin. First come those that stand first: a thread goes on along its branch,
// whose maps are in its cache.
class Agenda {
 public:
  explicit Agenda(const StepGraph& graph) : open_(graph.size()), waiting_(graph.size()) {
    followers_.resize(graph.size());
    for (int step = 0; step < static_cast<int>(graph.size()); ++step) {
      waiting_[static_cast<std::size_t>(step)] = graph[static_cast<std::size_t>(step)].size();
      for (const int before : graph[static_cast<std::size_t>(step)]) {
        followers_[static_cast<std::size_t>(before)].push_back(step);
      }
      if (graph[static_cast<std::size_t>(step)].empty()) ready_.push(step);
    }
  }

  // -1 if none can begin now.
  int take() {
    const std::lock_guard lock(mutex_);
    if (ready_.empty()) return -1;
    const int step = ready_.top();
    ready_.pop();
    return step;
  }

  void finish(int step) {
    const std::lock_guard lock(mutex_);
    for (const int follower : followers_[static_cast<std::size_t>(step)]) {
      if (--waiting_[static_cast<std::size_t>(follower)] == 0) ready_.push(follower);
    }
    open_.fetch_sub(1);
  }

  void fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    failed_ = true;
  }

  [[nodiscard]] bool is_done() const { return failed_.load() || open_.load() == 0; }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::atomic<std::size_t> open_;
  std::atomic<bool> failed_{false};
  std::priority_queue<int, std::vector<int>, std::greater<>> ready_;
  std::vector<std::size_t> waiting_;  // by step, for so many others
  std::vector<std::vector<int>> followers_;
  std::exception_ptr error_;
};

void work(Agenda& agenda, Team& team, const std::function<void(int)>& body) {
  int spins = 0;
  while (!agenda.is_done()) {
    const int step = agenda.take();
    if (step < 0) {
      spins = team.help() ? 0 : spins + 1;
      Team::rest(spins);
      continue;
    }
    spins = 0;
    try {
      body(step);
    } catch (...) {
      agenda.fail(std::current_exception());
      return;
    }
    agenda.finish(step);
  }
}

}  // namespace

void run_steps(const StepGraph& graph, const std::function<void(int step)>& body) {
  if (runs_serially()) {
    for (int step = 0; step < static_cast<int>(graph.size()); ++step) body(step);
    return;
  }
  Agenda agenda(graph);
  const int threads = num_threads();
  Team team(static_cast<std::size_t>(threads));
  // A thread that comes late finds everything done; one that never comes is not missed.
  parallel_for(threads, 1, [&](std::int64_t seat, std::int64_t) {
    const TeamScope scope(team, static_cast<std::size_t>(seat));
    work(agenda, team, body);
  });
  agenda.rethrow();
}

}  // namespace akimbo::kernels
