#include "kernels/cuda/emulator/block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <string_view>
#include <vector>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/emulator/async_copies.h"
#include "kernels/cuda/emulator/fiber.h"
#include "kernels/cuda/emulator/indices.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/ready_threads.h"
#include "kernels/cuda/emulator/shared_memory.h"
#include "kernels/cuda/emulator/sites.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr char dynamic_tag = 0;  // stands for the dynamic shared memory

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::uint64_t seed_of_environment() {
  const char* text = std::getenv("AKIMBO_EMULATOR_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

std::uint64_t& seed_value() {
  static std::uint64_t value = seed_of_environment();
  return value;
}

// Thrown through the threads of a block that another thread's fault has ended.
struct BlockAborted {};

struct Thread {
  enum class State { fresh, ready, at_block, at_warp, exited };
  State state = State::fresh;
  Index3 index;
  Fiber* fiber = nullptr;
  const char* what = nullptr;  // it waits for
  Where where;
  void* operand = nullptr;
  AsyncCopies copies;
};

std::string str(const Index3& i) { return Extent3{i.x, i.y, i.z}.str(); }
std::string str(const Where& where) {
  std::string_view file = where.file_name();
  if (const auto slash = file.rfind("kernels/"); slash != file.npos) file.remove_prefix(slash);
  return std::string(file) + ":" + std::to_string(where.line());
}
bool same_place(const Where& a, const Where& b) {
  return a.line() == b.line() && a.column() == b.column();
}

// What a launch shares over its blocks, and the block that runs.
class Block {
 public:
  Block(const char* name, const LaunchShape& shape, const std::function<void()>& body);
  ~Block();
  void run(const Index3& index);

  [[noreturn]] void fault(const std::string& what, const Where& where);
  void wait_for_block(const Where& where);
  void meet_warp(const char* what, void* operand, Complete complete, const Where& where);
  void report_race(const void* pointer, bool is_write, bool was_write, int other_thread);
  [[nodiscard]] const SharedMemory* shared_memory_at(const void* pointer) const;
  void* shared_array(const void* tag, const char* name, std::size_t bytes, std::size_t alignment);
  void* dynamic_shared_memory(const Where& where);
  void issue_copy(const Copy& copy, const Where& where);
  [[nodiscard]] AsyncCopies& copies() { return current_->copies; }

 private:
  void start_over();
  void enter(int thread);
  void set_fiber(Fiber* fiber);
  static void run_threads(void* block);
  void run_thread();
  void suspend();
  void make_ready(Thread& thread);
  [[nodiscard]] std::string name_of(const Thread& thread) const;
  [[nodiscard]] std::string doing(const Thread& thread) const;
  void diagnose_standstill();
  void abort_threads();
  void check_shared_memory();

  std::string name_;
  LaunchShape shape_;
  const std::function<void()>& body_;
  std::vector<Thread> threads_;
  std::vector<int> num_at_warp_;
  std::vector<std::uint32_t> warp_times_;  // sync_warp that each warp has passed
  ReadyThreads ready_;
  std::vector<std::unique_ptr<SharedMemory>> shared_;
  std::size_t num_shared_used_ = 0;
  std::size_t shared_bytes_ = 0;
  unsigned char garbage_ = 0xff;
  Random random_{1};
  int num_at_block_ = 0, num_exited_ = 0, next_ = -1;
  Thread* current_ = nullptr;
  const Thread* first_at_block_ = nullptr;
  std::exception_ptr failure_;
  std::vector<Fiber*> idle_;
};

thread_local Block* running = nullptr;

Block& running_block() {
  if (running == nullptr) throw DeviceFailure("[emulator] a device function outside a kernel");
  return *running;
}

// Fibers live as long as the OS thread, so a launch maps no memory.
std::vector<std::unique_ptr<Fiber>>& all_fibers() {
  thread_local std::vector<std::unique_ptr<Fiber>> fibers;
  return fibers;
}

Block::Block(const char* name, const LaunchShape& shape, const std::function<void()>& body)
    : name_(name),
      shape_(shape),
      body_(body),
      threads_(static_cast<std::size_t>(shape.block.volume())),
      num_at_warp_((threads_.size() + kLanes - 1) / kLanes),
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
#if defined(__SANITIZE_ADDRESS__)
  shared_.clear();  // a pointer kept from an earlier block is an error
#endif
  num_shared_used_ = 0;
  shared_bytes_ = shape_.shared_bytes;
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
  std::uint64_t state = seed_value();
  for (const char c : name_) state = mix(state ^ static_cast<unsigned char>(c));
  state = mix(state ^ index.x);
  state = mix(state ^ index.y << 1);
  state = mix(state ^ index.z << 2);
  random_.state = state | 1;
  // NaN in every floating type, or a huge value: max() ignores the one, sums show both.
  garbage_ = state >> 63 != 0 ? 0xff : 0x7b;
  start_over();
  while (failure_ == nullptr && (next_ >= 0 || !ready_.empty())) {
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
  if (failure_ == nullptr && num_exited_ < static_cast<int>(threads_.size())) diagnose_standstill();
  if (failure_ == nullptr) check_shared_memory();
  if (failure_ != nullptr) abort_threads();
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

void Block::meet_warp(const char* what, void* operand, Complete complete, const Where& where) {
  Thread& thread = *current_;
  const auto warp = static_cast<std::size_t>(&thread - threads_.data()) / kLanes;
  if ((warp + 1) * kLanes > threads_.size()) {
    fault(std::string(what) + " in a warp of " + std::to_string(threads_.size() % kLanes) +
              " threads; blocks that use it are multiples of 32 threads",
          where);
  }
  Thread* lanes = &threads_[warp * kLanes];
  if (num_at_warp_[warp] > 0) {
    const Thread* other = lanes;
    while (other->state != Thread::State::at_warp) ++other;
    if (!same_place(other->where, where) || std::strcmp(other->what, what) != 0) {
      fault(std::string("comes to ") + what + ", but thread " + str(other->index) +
                " of its warp " + doing(*other),
            where);
    }
  }
  thread.state = Thread::State::at_warp;
  thread.what = what;
  thread.where = where;
  thread.operand = operand;
  if (++num_at_warp_[warp] < kLanes) return suspend();
  num_at_warp_[warp] = 0;
  void* operands[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) operands[lane] = lanes[lane].operand;
  complete(operands);
  // Of the warp's meetings only this one orders what its lanes do to memory.
  if (std::strcmp(what, "sync_warp") == 0) race_context.warp_time = ++warp_times_[warp];
  for (int lane = 0; lane < kLanes; ++lane) {
    if (&lanes[lane] != &thread) make_ready(lanes[lane]);
  }
  thread.state = Thread::State::ready;
}

// No thread can go on, and some have not returned: names a waiting one and who does not come.
void Block::diagnose_standstill() {
  const Thread* waiting = nullptr;
  for (const Thread& thread : threads_) {
    if (thread.state == Thread::State::at_warp) waiting = &thread;
    if (waiting == nullptr && thread.state == Thread::State::at_block) waiting = &thread;
  }
  const Thread* begin = threads_.data();
  const Thread* end = begin + threads_.size();
  if (waiting->state == Thread::State::at_warp) {
    begin += (waiting - begin) / kLanes * kLanes;
    end = begin + kLanes;
  }
  const Thread* missing = begin;
  while (missing != end && missing->state == waiting->state) ++missing;
  failure_ = std::make_exception_ptr(DeviceFailure(name_of(*waiting) + " " + doing(*waiting) +
                                                   ", but thread " + str(missing->index) + " " +
                                                   doing(*missing)));
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

void* Block::shared_array(const void* tag, const char* name, std::size_t bytes,
                          std::size_t alignment) {
  for (std::size_t i = 0; i < num_shared_used_; ++i) {
    if (shared_[i]->tag() == tag) return shared_[i]->data();
  }
  if (tag != &dynamic_tag) shared_bytes_ += bytes;  // the dynamic ones count from the start
  if (shared_bytes_ > kMaxSharedBytes) {
    fault("needs " + std::to_string(shared_bytes_) + " bytes of shared memory with " + name +
              "; a block has " + std::to_string(kMaxSharedBytes),
          Where());
  }
  // Blocks of a launch declare the same arrays, often in the same order.
  std::size_t found = num_shared_used_;
  while (found < shared_.size() && shared_[found]->tag() != tag) ++found;
  if (found == shared_.size()) {
    shared_.push_back(std::make_unique<SharedMemory>(tag, name, bytes, alignment));
  }
  std::swap(shared_[found], shared_[num_shared_used_]);
  SharedMemory& memory = *shared_[num_shared_used_++];
  memory.fill(garbage_);
  return memory.data();
}

void* Block::dynamic_shared_memory(const Where& where) {
  if (shape_.shared_bytes == 0) {
    fault("dynamic_shared() in a launch without shared_bytes", where);
  }
  return shared_array(&dynamic_tag, "dynamic shared memory", shape_.shared_bytes, 128);
}

const SharedMemory* Block::shared_memory_at(const void* pointer) const {
  for (std::size_t i = 0; i < num_shared_used_; ++i) {
    const auto* begin = static_cast<const unsigned char*>(shared_[i]->data());
    if (pointer >= begin && pointer < begin + shared_[i]->bytes()) return shared_[i].get();
  }
  return nullptr;
}

// Called from between two instructions of the kernel, which cannot throw: the thread goes on to its
// next call of a device function.
void Block::report_race(const void* pointer, bool is_write, bool was_write, int other_thread) {
  if (failure_ != nullptr) return;
  std::string text = name_of(*current_) + (is_write ? ": writes " : ": reads ");
  if (const SharedMemory* memory = shared_memory_at(pointer)) {
    const auto* begin = static_cast<const unsigned char*>(memory->data());
    text += std::string("byte ") +
            std::to_string(static_cast<const unsigned char*>(pointer) - begin) + " of " +
            memory->name();
  } else {
    text += "global memory";
  }
  text += std::string(" that ") +
          (other_thread == -1   ? "another block"
           : other_thread == -2 ? "threads of other warps"
                                : "thread " + str(threads_[other_thread].index)) +
          (was_write ? " wrote" : " read");
  text += other_thread == -1 ? " in this launch" : " since the last barrier";
  if (current_->where.line() != 0) {
    text += std::string("; the thread came from ") + current_->what + " at " + str(current_->where);
  }
  failure_ = std::make_exception_ptr(DeviceFailure(text));
}

void Block::check_shared_memory() {
  for (std::size_t i = 0; i < num_shared_used_; ++i) {
    if (shared_[i]->is_intact()) continue;
    failure_ = std::make_exception_ptr(DeviceFailure(
        "[" + name_ + "] block " + str(blockIdx) + ": a write outside " + shared_[i]->name() +
        ", which has " + std::to_string(shared_[i]->bytes()) + " bytes"));
  }
}

void Block::issue_copy(const Copy& copy, const Where& where) {
  const auto is_misaligned = [&](const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer) % static_cast<std::uintptr_t>(copy.bytes) != 0;
  };
  if (is_misaligned(copy.to) || is_misaligned(copy.from)) {
    fault("an asynchronous copy of " + std::to_string(copy.bytes) +
              " bytes to or from an address that is not a multiple of it",
          where);
  }
  current_->copies.issue(copy, garbage_);
}

Index3 index_of(std::uint64_t linear, const Extent3& extent) {
  const auto x = static_cast<std::uint64_t>(extent.x), y = static_cast<std::uint64_t>(extent.y);
  return {static_cast<unsigned>(linear % x), static_cast<unsigned>(linear / x % y),
          static_cast<unsigned>(linear / x / y)};
}

Index3 index_of(const Extent3& extent) {
  return {static_cast<unsigned>(extent.x), static_cast<unsigned>(extent.y),
          static_cast<unsigned>(extent.z)};
}

void begin_race_check() {
  forget_races();
  race_context.launch_start = next_race_time();
  const auto [first, last] = std::minmax({&threadIdx, &blockIdx, &blockDim, &gridDim});
  race_context.index_begin = reinterpret_cast<std::uintptr_t>(first);
  race_context.index_end = reinterpret_cast<std::uintptr_t>(last + 1);
}

// Leaves no trace of a launch behind, however it ends.
struct LaunchScope {
  explicit LaunchScope(Block& block) { running = &block; }
  ~LaunchScope() { running = nullptr; }
};

}  // namespace

void set_seed(std::uint64_t seed) { seed_value() = seed; }
std::uint64_t seed() { return seed_value(); }

void run_grid(const char* name, const LaunchShape& shape, const std::function<void()>& body) {
  if (running != nullptr) throw DeviceFailure(std::string("[") + name + "] a launch in a kernel");
  Block block(name, shape, body);
  const LaunchScope scope(block);
  begin_race_check();
  gridDim = index_of(shape.grid);
  blockDim = index_of(shape.block);
  // Blocks come in no order that a kernel may rely on: i -> stride i + offset modulo their number.
  const auto count = static_cast<std::uint64_t>(shape.grid.volume());
  const std::uint64_t random = mix(seed_value() ^ count);
  std::uint64_t stride = count > 2 ? 1 + random % (count - 1) : 1;
  while (std::gcd(stride, count) != 1) ++stride;
  std::uint64_t at = (random >> 32) % count;
  for (std::uint64_t i = 0; i < count; ++i) {
    block.run(index_of(at, shape.grid));
    at = (at + stride) % count;
  }
}

void fault(const std::string& what, const Where& where) {
  const Untracked untracked;
  running_block().fault(what, where);
}
void wait_for_block(const Where& where) {
  const Untracked untracked;
  running_block().wait_for_block(where);
}
void meet_warp(const char* what, void* operand, Complete complete, const Where& where) {
  const Untracked untracked;
  running_block().meet_warp(what, operand, complete, where);
}
void fence_device() { race_context.has_fenced = true; }
void* shared_array(const void* tag, const char* name, std::size_t bytes, std::size_t alignment) {
  const Untracked untracked;
  return running_block().shared_array(tag, name, bytes, alignment);
}
void* dynamic_shared_memory(const Where& where) {
  const Untracked untracked;
  return running_block().dynamic_shared_memory(where);
}
void issue_copy(const char* what, void* to, const void* from, int bytes, bool valid,
                const Where& where) {
  const Untracked untracked;
  valid = valid || is_mutated(what, where);
  running_block().issue_copy({to, from, bytes, valid}, where);
}
void commit_copies() {
  const Untracked untracked;
  running_block().copies().commit();
}
void wait_copies(int newest) {
  const Untracked untracked;
  running_block().copies().wait(newest);
}

void report_race(const void* pointer, bool is_write, bool was_write, int other_thread) {
  running_block().report_race(pointer, is_write, was_write, other_thread);
}
bool is_shared_memory(const void* pointer) {
  return running_block().shared_memory_at(pointer) != nullptr;
}

}  // namespace akimbo::kernels::device::emulator
