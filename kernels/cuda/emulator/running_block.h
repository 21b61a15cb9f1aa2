// The block that runs: what the sources of the emulator share of it. Kernels reach it through the
// functions of block.h and hopper.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/async_copies.h"
#include "kernels/cuda/emulator/block.h"
#include "kernels/cuda/emulator/fiber.h"
#include "kernels/cuda/emulator/indices.h"
#include "kernels/cuda/emulator/mbarrier.h"
#include "kernels/cuda/emulator/ordering.h"
#include "kernels/cuda/emulator/ready_threads.h"
#include "kernels/cuda/emulator/shared_arrays.h"
#include "kernels/cuda/emulator/tensor_map.h"
#include "kernels/cuda/emulator/wgmma.h"

namespace akimbo::kernels::device::emulator {

// splitmix64
[[nodiscard]] std::uint64_t mix(std::uint64_t x);

struct Thread {
  enum class State {
    fresh,
    ready,
    at_block,
    at_threads,
    at_warp,
    at_warpgroup,
    at_mbarrier,
    exited
  };
  State state = State::fresh;
  Index3 index;
  Fiber* fiber = nullptr;
  const char* what = nullptr;  // it waits for
  Where where;
  void* operand = nullptr;  // of a meeting; the word of an mbarrier
  AsyncCopies copies;
};

[[nodiscard]] std::string str(const Index3& i);
[[nodiscard]] std::string str(const Where& where);

// What a launch shares over its blocks, and the block that runs.
class Block {
 public:
  Block(const char* name, const LaunchShape& shape, const std::function<void()>& body);
  ~Block();
  void run(const Index3& index);

  [[noreturn]] void fault(const std::string& what, const Where& where);
  void report_race(const void* pointer, bool is_write, bool was_write, int other_thread);
  [[nodiscard]] Ordering& ordering() { return ordering_; }
  [[nodiscard]] bool is_ordered(int other_thread, std::uint32_t stamp) const {
    return ordering_.knows(current_thread(), other_thread, stamp);
  }

  // meetings.cpp
  void wait_for_block(const Where& where);
  void wait_for_threads(int id, int count, const Where& where);
  void meet_warp(const char* what, void* operand, Complete complete, const Where& where);
  void meet_warpgroup(const char* what, void* operand, Complete complete, const Where& where);

  // block_memory.cpp
  [[nodiscard]] const SharedArrays& shared() const { return shared_; }
  void* shared_array(const void* tag, const char* name, std::size_t bytes, std::size_t alignment);
  void* dynamic_shared_memory(std::size_t alignment, const Where& where);
  void issue_copy(const Copy& copy, const Where& where);
  [[nodiscard]] AsyncCopies& copies() { return current_->copies; }

  // block_async.cpp
  void init_barrier(std::uint64_t* word, int arrivals, const Where& where);
  void fence_barrier_init() { mbarriers_.fence(current_thread()); }
  void arrive(std::uint64_t* word, int bytes, const Where& where);
  void wait_for_barrier(std::uint64_t* word, int parity, const Where& where);
  void copy_tensor(const char* what, void* to, const TensorMap* map, std::uint64_t* word,
                   const TensorPlace& place, const Where& where);
  void issue_product(const ProductOperand* const* operands, const Where& where);
  void wait_for_products(int newest, const Where& where);
  [[nodiscard]] Warpgroup& warpgroup() {
    return warpgroups_[static_cast<std::size_t>(current_thread()) / kGroupThreads];
  }

 private:
  // A copy by TMA that has not landed.
  struct TensorCopy {
    MapContents map;
    TensorPlace place;
    unsigned char* to;
    std::uint32_t address;
    std::uint64_t* word;
    int thread;            // that issued it
    std::uint32_t chance;  // of 256, to land at a step of the scheduler
    const char* what;
    Where where;
  };
  struct NamedBarrier {
    int count = 0;
    std::vector<int> waiting;
    Clock clock;
  };

  // As which the products of a warpgroup are known: a warp of its own beyond the block's.
  [[nodiscard]] int thread_of_products(std::size_t group) const {
    return static_cast<int>((num_at_warp_.size() + group) * kLanes);
  }
  [[nodiscard]] int current_thread() const { return static_cast<int>(current_ - threads_.data()); }
  void start_over();
  void enter(int thread);
  void set_fiber(Fiber* fiber);
  static void run_threads(void* block);
  void run_thread();
  void resume_next();
  void suspend();
  void make_ready(Thread& thread);
  [[nodiscard]] std::string name_of(const Thread& thread) const;
  [[nodiscard]] std::string doing(const Thread& thread) const;
  void diagnose_standstill();
  void abort_threads();
  void check_end();

  void meet(const char* what, void* operand, Complete complete, const Where& where, int size,
            Thread::State state, std::vector<int>& arrived);
  MBarrier& barrier_at(const char* what, std::uint64_t* word, const Where& where);
  void finish_phase(MBarrier& barrier);
  // Work that runs beside the threads: does some of it, or one piece that is left; false if none
  // is.
  void do_async_work();
  bool do_one_async_work();
  void land(std::size_t copy);

  std::string name_;
  LaunchShape shape_;
  const std::function<void()>& body_;
  std::vector<Thread> threads_;
  std::vector<int> num_at_warp_, num_at_warpgroup_;
  std::vector<std::uint32_t> warp_times_;  // sync_warp that each warp has passed
  ReadyThreads ready_;
  SharedArrays shared_;
  unsigned char garbage_ = 0xff;
  Random random_{1};
  int num_at_block_ = 0, num_exited_ = 0, next_ = -1;
  Thread* current_ = nullptr;
  const Thread* first_at_block_ = nullptr;
  std::exception_ptr failure_;
  std::vector<Fiber*> idle_;

  Ordering ordering_;
  std::vector<NamedBarrier> named_barriers_;
  MBarriers mbarriers_;
  std::vector<TensorCopy> tensor_copies_;
  std::vector<Warpgroup> warpgroups_;
};

// The block of this OS thread; throws outside a kernel.
[[nodiscard]] Block& running_block();

}  // namespace akimbo::kernels::device::emulator
