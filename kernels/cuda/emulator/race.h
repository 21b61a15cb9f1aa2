// Finds data races: two threads touch the same bytes, one of them writes, and no barrier stands
// between them. The order in which the emulator happens to run threads does not matter, so a
// missing barrier is found even where the result comes out right.
//
// Kernel files are compiled with -fsanitize=thread, which makes the compiler call a function before
// every access to memory; those functions are ours (race.cpp), ThreadSanitizer itself is not
// linked. Builds with AddressSanitizer cannot have this and go without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace akimbo::kernels::device::emulator {

// On at start, unless AKIMBO_EMULATOR_RACES=0.
void set_race_check(bool on);
// Whether kernels were compiled to be checked.
[[nodiscard]] bool can_check_races();

// The running thread, as the checker knows it. Times grow with every block and every barrier of a
// block, over all launches.
struct RaceContext {
  std::uint32_t time = 0, block_start = 0, launch_start = 0;
  std::uint32_t warp_time = 0;  // grows with every sync_warp of the thread's warp
  std::uint32_t stamp = 0;      // grows with every release of a thread (ordering.h)
  int thread = 0;               // in its block
  bool has_fenced = false;      // the block orders itself after others by atomics and fences
  std::uintptr_t stack_begin = 0, stack_end = 0;
  std::uintptr_t index_begin = 0, index_end = 0;  // threadIdx and its like
};
inline constinit thread_local RaceContext race_context;
// True while code of a kernel runs, false in the emulator itself.
inline constinit thread_local bool races_tracked = false;

struct Untracked {
  Untracked() : before(races_tracked) { races_tracked = false; }
  ~Untracked() { races_tracked = before; }
  Untracked(const Untracked&) = delete;
  Untracked& operator=(const Untracked&) = delete;
  bool before;
};

// An access that the compiler put into a kernel.
void note_access(const void* pointer, std::size_t bytes, bool is_write, bool is_atomic);
// One that the emulator makes for the running thread (asynchronous copies, ldmatrix). By the async
// proxy: by TMA, which sees ordinary writes only after a fence.
void access_of_device(const void* pointer, std::size_t bytes, bool is_write,
                      bool by_async_proxy = false);
// One by work of the async proxy that goes on beside the running thread and is known as `thread`,
// which is none of the block's.
void access_beside(int thread, const void* pointer, std::size_t bytes, bool is_write);
// A thread of this block that last wrote one of the bytes by ordinary stores, with no
// fence_async_shared() since; -1 when there is none.
[[nodiscard]] int unfenced_writer(const void* pointer, std::size_t bytes);

// Defined by calls.cpp. The other thread is -1 when it is of another block, -2 when there are
// several.
[[nodiscard]] bool is_ordered(int other_thread, std::uint32_t stamp);  // before the running one
[[nodiscard]] bool is_fenced(int thread, std::uint32_t stamp);
void report_race(const void* pointer, bool is_write, bool was_write, int other_thread);
[[nodiscard]] bool is_shared_memory(const void* pointer);
[[nodiscard]] std::uint32_t next_race_time();
[[nodiscard]] bool races_wanted();
void forget_races();  // before a launch

}  // namespace akimbo::kernels::device::emulator
