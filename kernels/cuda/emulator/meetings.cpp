// Where threads of a block wait for each other: all of them, those of a named barrier, a warp or a
// warpgroup.
#include <cstring>

#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"

namespace akimbo::kernels::device::emulator {
namespace {

bool same_place(const Where& a, const Where& b) {
  return a.line() == b.line() && a.column() == b.column();
}

}  // namespace

void Block::wait_for_block(const Where& where) {
  Thread& thread = *current_;
  if (num_at_block_ == 0) first_at_block_ = &thread;
  if (const Thread& first = *first_at_block_;
      num_at_block_ > 0 && !same_place(first.where, where)) {
    fault("comes to another sync_block than thread " + str(first.index) + ", which " + doing(first),
          where);
  }
  thread.state = Thread::State::at_block;
  thread.what = "sync_block";
  thread.where = where;
  if (++num_at_block_ == static_cast<int>(threads_.size())) {
    num_at_block_ = 0;
    for (Thread& each : threads_) each.state = Thread::State::ready;
    ready_.add_all(random_);
    race_context.time = next_race_time();
  }
  suspend();
}

// Barriers 1 to 15: 0 is that of the whole block. PTX ISA, "bar.sync".
void Block::wait_for_threads(int id, int count, const Where& where) {
  const int num_threads = static_cast<int>(threads_.size());
  if (id < 1 || id > 15) fault("sync_threads by barrier " + std::to_string(id), where);
  if (count < kLanes || count % kLanes != 0 || count > num_threads) {
    fault("sync_threads of " + std::to_string(count) + " threads, which are not whole warps of " +
              std::to_string(num_threads),
          where);
  }
  if (named_barriers_.empty()) named_barriers_.resize(16);
  NamedBarrier& barrier = named_barriers_[static_cast<std::size_t>(id)];
  if (!barrier.waiting.empty() && barrier.count != count) {
    fault("comes to sync_threads " + std::to_string(id) + " of " + std::to_string(count) +
              " threads, where others wait for " + std::to_string(barrier.count),
          where);
  }
  Thread& thread = *current_;
  thread.state = Thread::State::at_threads;
  thread.what = "sync_threads";
  thread.where = where;
  barrier.count = count;
  barrier.waiting.push_back(current_thread());
  ordering_.release(current_thread(), barrier.clock);
  if (static_cast<int>(barrier.waiting.size()) == count) {
    for (const int each : barrier.waiting) {
      ordering_.acquire(each, barrier.clock);
      make_ready(threads_[static_cast<std::size_t>(each)]);
    }
    barrier = {};
  }
  suspend();
}

void Block::meet_warp(const char* what, void* operand, Complete complete, const Where& where) {
  meet(what, operand, complete, where, kLanes, Thread::State::at_warp, num_at_warp_);
}

void Block::meet_warpgroup(const char* what, void* operand, Complete complete, const Where& where) {
  meet(what, operand, complete, where, kGroupThreads, Thread::State::at_warpgroup,
       num_at_warpgroup_);
}

// The aligned `size` threads around the current one.
void Block::meet(const char* what, void* operand, Complete complete, const Where& where, int size,
                 Thread::State state, std::vector<int>& arrived) {
  Thread& thread = *current_;
  const auto count = static_cast<std::size_t>(size);
  const auto group = static_cast<std::size_t>(current_thread()) / count;
  const char* name = size == kLanes ? "warp" : "warpgroup";
  if ((group + 1) * count > threads_.size()) {
    fault(std::string(what) + " in a " + name + " of " + std::to_string(threads_.size() % count) +
              " threads; blocks that use it are multiples of " + std::to_string(size) + " threads",
          where);
  }
  Thread* members = &threads_[group * count];
  if (arrived[group] > 0) {
    const Thread* other = members;
    while (other->state != state) ++other;
    if (!same_place(other->where, where) || std::strcmp(other->what, what) != 0) {
      fault(std::string("comes to ") + what + ", but thread " + str(other->index) + " of its " +
                name + " " + doing(*other),
            where);
    }
  }
  thread.state = state;
  thread.what = what;
  thread.where = where;
  thread.operand = operand;
  if (++arrived[group] < size) return suspend();
  arrived[group] = 0;
  void* operands[kGroupThreads];
  for (int i = 0; i < size; ++i) operands[i] = members[i].operand;
  thread.state = Thread::State::ready;
  complete(operands);
  // Of the meetings only this one orders what the threads do to memory.
  if (std::strcmp(what, "sync_warp") == 0) race_context.warp_time = ++warp_times_[group];
  for (int i = 0; i < size; ++i) {
    if (&members[i] != &thread) make_ready(members[i]);
  }
}

}  // namespace akimbo::kernels::device::emulator
