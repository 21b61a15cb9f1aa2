// A block's threads: which goes on next, and what is said when one breaks a rule.
#include <algorithm>
#include <string_view>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"
#include "kernels/cuda/emulator/sites.h"

namespace akimbo::kernels::device::emulator {
namespace {

// Thrown through the threads of a block that another thread's fault has ended.
struct BlockAborted {};

// Fibers live as long as the OS thread, so a launch maps no memory.
std::vector<std::unique_ptr<Fiber>>& all_fibers() {
  thread_local std::vector<std::unique_ptr<Fiber>> fibers;
  return fibers;
}

}  // namespace

std::string str(const Index3& i) { return Extent3{i.x, i.y, i.z}.str(); }
std::string str(const Where& where) {
  std::string_view file = where.file_name();
  if (const auto slash = file.rfind("kernels/"); slash != file.npos) file.remove_prefix(slash);
  return std::string(file) + ":" + std::to_string(where.line());
}

Block::Block(const char* name, const LaunchShape& shape, const std::function<void()>& body)
    : name_(name),
      shape_(shape),
      body_(body),
      threads_(static_cast<std::size_t>(shape.block.volume())),
      num_at_warp_((threads_.size() + kLanes - 1) / kLanes),
      num_at_warpgroup_((threads_.size() + kGroupThreads - 1) / kGroupThreads),
      warp_times_(num_at_warp_.size()),
      ready_(threads_.size()) {
  unsigned i = 0;
  const auto bx = static_cast<unsigned>(shape.block.x), by = static_cast<unsigned>(shape.block.y);
  for (Thread& thread : threads_) {
    thread.index = {i % bx, i / bx % by, i / bx / by};
    ++i;
  }
  for (const auto& fiber : all_fibers()) idle_.push_back(fiber.get());
}

Block::~Block() = default;

void Block::start_over() {
  ready_.add_all(random_);
  for (Thread& thread : threads_) {
    thread.state = Thread::State::fresh;
    thread.where = Where();
    thread.copies.clear();
  }
  num_at_block_ = num_exited_ = 0;
  next_ = -1;
  race_context.time = race_context.block_start = next_race_time();
  race_context.has_fenced = false;
  shared_.start_over(shape_.shared_bytes);
  named_barriers_.clear();
  mbarriers_.start_over();
  tensor_copies_.clear();
  warpgroups_.assign(num_at_warpgroup_.size(), {});
  ordering_.start_over(threads_.size(),
                       static_cast<std::size_t>(thread_of_products(warpgroups_.size())));
}

void Block::enter(int thread) {
  current_ = &threads_[thread];
  threadIdx = current_->index;
  race_context.thread = thread;
  race_context.warp_time = warp_times_[thread / kLanes];
}

// What the current thread keeps on its stack concerns no other.
void Block::set_fiber(Fiber* fiber) {
  current_->fiber = fiber;
  race_context.stack_begin = fiber->stack_begin();
  race_context.stack_end = fiber->stack_end();
}

void Block::run(const Index3& index) {
  blockIdx = index;
  std::uint64_t state = seed();
  for (const char c : name_) state = mix(state ^ static_cast<unsigned char>(c));
  state = mix(state ^ index.x);
  state = mix(state ^ index.y << 1);
  state = mix(state ^ index.z << 2);
  random_.state = state | 1;
  // NaN in every floating type, or a huge value: max() ignores the one, sums show both.
  garbage_ = state >> 63 != 0 ? 0xff : 0x7b;
  start_over();
  while (failure_ == nullptr && num_exited_ < static_cast<int>(threads_.size())) {
    do_async_work();
    if (next_ < 0 && ready_.empty()) {
      if (!do_one_async_work()) break;
    } else {
      resume_next();
    }
  }
  if (failure_ == nullptr && num_exited_ < static_cast<int>(threads_.size())) diagnose_standstill();
  if (failure_ == nullptr) check_end();
  if (failure_ != nullptr) abort_threads();
}

void Block::resume_next() {
  enter(next_ >= 0 ? next_ : ready_.take(random_));
  next_ = -1;
  Thread& thread = *current_;
  if (thread.state == Thread::State::fresh) {
    if (idle_.empty()) {
      all_fibers().push_back(std::make_unique<Fiber>());
      idle_.push_back(all_fibers().back().get());
    }
    thread.fiber = idle_.back();
    idle_.pop_back();
    thread.fiber->start(&Block::run_threads, this);
  }
  Fiber* fiber = thread.fiber;
  set_fiber(fiber);
  if (fiber->resume()) idle_.push_back(fiber);
}

// On one fiber runs threads that have not begun yet, one after another, while none of them waits:
// kernels without barriers never switch.
void Block::run_threads(void* argument) {
  Block& block = *static_cast<Block*>(argument);
  for (;;) {
    block.run_thread();
    if (block.failure_ != nullptr || block.ready_.empty()) return;
    const int next = block.ready_.take(block.random_);
    if (block.threads_[next].state != Thread::State::fresh) {
      block.next_ = next;
      return;
    }
    Fiber* fiber = block.current_->fiber;
    block.enter(next);
    block.set_fiber(fiber);
  }
}

void Block::run_thread() {
  try {
    races_tracked = races_wanted();
    body_();
    races_tracked = false;
    if (current_->copies.size() > 0) {
      fault("exits with " + std::to_string(current_->copies.size()) +
                " asynchronous copies under way; wait_copies<0>() ends them",
            Where());
    }
    if (warpgroup().has_work(current_thread() % kGroupThreads / kLanes)) {
      fault("exits with wgmma under way; wgmma_commit() and wgmma_wait<0>() end them", Where());
    }
  } catch (const BlockAborted&) {
  } catch (...) {
    if (failure_ == nullptr) failure_ = std::current_exception();
  }
  races_tracked = false;
  current_->state = Thread::State::exited;
  ++num_exited_;
}

void Block::suspend() {
  Thread& thread = *current_;
  thread.fiber->suspend();
  if (failure_ != nullptr) throw BlockAborted{};
}

void Block::make_ready(Thread& thread) {
  thread.state = Thread::State::ready;
  ready_.add(static_cast<int>(&thread - threads_.data()));
}

std::string Block::name_of(const Thread& thread) const {
  return "[" + name_ + "] block " + str(blockIdx) + ", thread " + str(thread.index);
}

std::string Block::doing(const Thread& thread) const {
  if (thread.state == Thread::State::exited) return "has returned";
  return std::string("waits in ") + thread.what + " at " + str(thread.where);
}

void Block::fault(const std::string& what, const Where& where) {
  std::string message = name_of(*current_) + ": " + what;
  if (where.line() != 0) message += ", at " + str(where);
  throw DeviceFailure(message);
}

// No thread can go on, and some have not returned: names a waiting one and who does not come.
void Block::diagnose_standstill() {
  using State = Thread::State;
  const Thread* waiting = nullptr;
  // What fewer threads take part in is the likelier cause.
  for (const State state : {State::at_block, State::at_threads, State::at_mbarrier,
                            State::at_warpgroup, State::at_warp}) {
    for (const Thread& thread : threads_) {
      if (thread.state == state) waiting = &thread;
    }
  }
  std::string text = name_of(*waiting) + " " + doing(*waiting);
  if (waiting->state == State::at_mbarrier) {
    const MBarrier* barrier = mbarriers_.find(static_cast<std::uint64_t*>(waiting->operand));
    text += ", but " + barrier->missing() + " do not come";
  } else {
    const Thread* begin = threads_.data();
    const Thread* end = begin + threads_.size();
    const auto group = waiting->state == State::at_warp        ? kLanes
                       : waiting->state == State::at_warpgroup ? kGroupThreads
                                                               : static_cast<int>(end - begin);
    const Thread* missing = begin + (waiting - begin) / group * group;
    while (missing != end && missing->state == waiting->state) ++missing;
    // All wait alike when a named barrier is told a larger number than come to it.
    text += missing == end ? ", but no other thread comes"
                           : ", but thread " + str(missing->index) + " " + doing(*missing);
  }
  failure_ = std::make_exception_ptr(DeviceFailure(text));
}

// Unwinds the threads that still wait, so that their fibers can be used again.
void Block::abort_threads() {
  for (Thread& thread : threads_) {
    if (thread.state == Thread::State::fresh || thread.state == Thread::State::exited) continue;
    current_ = &thread;
    if (thread.fiber->resume()) idle_.push_back(thread.fiber);
  }
  std::rethrow_exception(failure_);
}

// Called from between two instructions of the kernel, which cannot throw: the thread goes on to its
// next call of a device function.
void Block::report_race(const void* pointer, bool is_write, bool was_write, int other_thread) {
  if (failure_ != nullptr) return;
  std::string text = name_of(*current_) + (is_write ? ": writes " : ": reads ");
  if (const SharedMemory* memory = shared_.at(pointer)) {
    const auto* begin = static_cast<const unsigned char*>(memory->data());
    text += std::string("byte ") +
            std::to_string(static_cast<const unsigned char*>(pointer) - begin) + " of " +
            memory->name();
  } else {
    text += "global memory";
  }
  const auto other = static_cast<std::size_t>(other_thread);
  text += std::string(" that ") +
          (other_thread == -1         ? "another block"
           : other_thread == -2       ? "threads of other warps"
           : other >= threads_.size() ? "a wgmma under way"
                                      : "thread " + str(threads_[other].index)) +
          (was_write ? " wrote" : " read");
  text += other_thread == -1 ? " in this launch" : " since the last barrier";
  if (current_->where.line() != 0) {
    text += std::string("; the thread came from ") + current_->what + " at " + str(current_->where);
  }
  failure_ = std::make_exception_ptr(DeviceFailure(text));
}

// The block has come to its end: nothing may outlive it, nor have gone astray.
void Block::check_end() {
  std::string text;
  if (!tensor_copies_.empty()) {
    const TensorCopy& copy = tensor_copies_.front();
    text = std::string("ends while ") + copy.what + " of " + str(copy.where) +
           " is under way; wait for its barrier";
  } else if (const SharedMemory* array = shared_.broken()) {
    text = std::string("a write outside ") + array->name() + ", which has " +
           std::to_string(array->bytes()) + " bytes";
  } else {
    return;
  }
  failure_ = std::make_exception_ptr(
      DeviceFailure("[" + name_ + "] block " + str(blockIdx) + ": " + text));
}

}  // namespace akimbo::kernels::device::emulator
