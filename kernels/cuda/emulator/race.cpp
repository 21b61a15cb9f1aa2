#include "kernels/cuda/emulator/race.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "kernels/cuda/emulator/access_watch.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr int kLanes = 32;
constexpr int kSeveralWarps = -2;

// The last access of one kind to a granule of two bytes.
struct Access {
  std::uint32_t time = 0, warp_time = 0, stamp = 0;
  std::int16_t thread = 0;
  std::uint8_t mask = 0;  // which of the two bytes
  bool is_atomic : 1 = false;
  bool by_async_proxy : 1 = false;
  bool has_more_lanes : 1 = false;  // of the same warp
};
struct Granule {
  Access write, read;
};

// Granules by address, in pages that are made when first touched.
class Shadow {
 public:
  // Times before a launch matter no more to it.
  void start_launch() {
    if (pages_.size() < 1024) return;  // 64 MB
    pages_.clear();
    last_page_ = ~std::uintptr_t{0};
  }
  Granule& at(std::uintptr_t granule) {
    const std::uintptr_t page = granule / kPageGranules;
    if (page != last_page_) {
      auto& found = pages_[page];
      if (found == nullptr) found = std::make_unique<Granule[]>(kPageGranules);
      last_ = found.get();
      last_page_ = page;
    }
    return last_[granule % kPageGranules];
  }

 private:
  static constexpr std::uintptr_t kPageGranules = 2048;
  std::unordered_map<std::uintptr_t, std::unique_ptr<Granule[]>> pages_;
  std::uintptr_t last_page_ = ~std::uintptr_t{0};
  Granule* last_ = nullptr;
};

thread_local Shadow shadow;
AccessWatch access_watch = nullptr;

bool& wanted() {
  static bool value = [] {
    const char* text = std::getenv("AKIMBO_EMULATOR_RACES");
    return text == nullptr || std::strcmp(text, "0") != 0;
  }();
  return value;
}

bool conflicts(const Access& past, const Access& now, const void* pointer) {
  if (past.time == 0 || (past.mask & now.mask) == 0 || (past.is_atomic && now.is_atomic)) {
    return false;
  }
  const RaceContext& context = race_context;
  if (past.time == now.time) {
    if (past.thread == now.thread && !past.has_more_lanes) return false;
    const bool same_warp =
        past.thread != kSeveralWarps && past.thread / kLanes == now.thread / kLanes;
    if (same_warp && past.warp_time != now.warp_time) return false;
    return !is_ordered(past.thread, past.stamp);
  }
  // Another block of this launch: nothing orders them but atomics.
  return past.time >= context.launch_start && past.time < context.block_start &&
         !context.has_fenced && !is_shared_memory(pointer);
}

// Whether what was done is over for the running thread, so that it need not be remembered.
bool is_over(const Access& past, const Access& now) {
  if (past.time != now.time) return true;
  return past.stamp != now.stamp && past.thread != now.thread &&
         is_ordered(past.thread, past.stamp);
}

void remember(Access& past, const Access& now, bool merges) {
  if (merges && !is_over(past, now)) {
    Access merged = now;
    merged.mask |= past.mask;
    merged.is_atomic = past.is_atomic && now.is_atomic;
    const bool same_warp =
        past.thread != kSeveralWarps && past.thread / kLanes == now.thread / kLanes;
    if (!same_warp) merged.thread = kSeveralWarps;
    merged.has_more_lanes = past.has_more_lanes || past.thread != now.thread;
    past = merged;
  } else {
    past = now;
  }
}

void check(const Access& past, const Access& now, const void* pointer, bool is_write,
           bool was_write) {
  if (!conflicts(past, now, pointer)) return;
  const bool same_block = past.time == now.time;
  report_race(pointer, is_write, was_write, same_block ? past.thread : -1);
}

void access(const void* pointer, std::size_t bytes, bool is_write, bool is_atomic,
            bool by_async_proxy = false) {
  const RaceContext& context = race_context;
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer), end = begin + bytes;
  if (begin >= context.stack_begin && begin < context.stack_end) return;
  if (begin >= context.index_begin && begin < context.index_end) return;
  if (access_watch != nullptr) access_watch(pointer, bytes, is_write);
  Access now{.time = context.time,
             .warp_time = context.warp_time,
             .stamp = context.stamp,
             .thread = static_cast<std::int16_t>(context.thread),
             .mask = 3,
             .is_atomic = is_atomic,
             .by_async_proxy = by_async_proxy,
             .has_more_lanes = false};
  for (std::uintptr_t granule = begin / 2; granule * 2 < end; ++granule) {
    now.mask =
        static_cast<std::uint8_t>((granule * 2 >= begin ? 1 : 0) | (granule * 2 + 1 < end ? 2 : 0));
    Granule& past = shadow.at(granule);
    check(past.write, now, pointer, is_write, true);
    if (is_write) {
      check(past.read, now, pointer, is_write, false);
      remember(past.write, now, is_atomic);
    } else {
      remember(past.read, now, true);
    }
  }
}

}  // namespace

void set_race_check(bool on) { wanted() = on; }
void watch_accesses(AccessWatch watch) { access_watch = watch; }
void forget_races() { shadow.start_launch(); }
bool races_wanted() { return wanted() && can_check_races(); }

std::uint32_t next_race_time() {
  thread_local std::uint32_t time = 0;
  return ++time;
}

void note_access(const void* pointer, std::size_t bytes, bool is_write, bool is_atomic) {
  const Untracked untracked;
  if (untracked.before) access(pointer, bytes, is_write, is_atomic);
}

void access_of_device(const void* pointer, std::size_t bytes, bool is_write, bool by_async_proxy) {
  if (races_wanted()) access(pointer, bytes, is_write, false, by_async_proxy);
}

void access_beside(int thread, const void* pointer, std::size_t bytes, bool is_write) {
  const int before = std::exchange(race_context.thread, thread);
  access_of_device(pointer, bytes, is_write, true);
  race_context.thread = before;
}

int unfenced_writer(const void* pointer, std::size_t bytes) {
  if (!races_wanted()) return -1;
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer), end = begin + bytes;
  for (std::uintptr_t granule = begin / 2; granule * 2 < end; ++granule) {
    const Access& write = shadow.at(granule).write;
    if (write.time < race_context.block_start || write.by_async_proxy || write.thread < 0) continue;
    if (!is_fenced(write.thread, write.stamp)) return write.thread;
  }
  return -1;
}

}  // namespace akimbo::kernels::device::emulator

// ---- what -fsanitize=thread calls ----

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
using akimbo::kernels::device::emulator::note_access;
using akimbo::kernels::device::emulator::races_tracked;

inline void plain(const void* pointer, std::size_t bytes, bool is_write) {
  if (races_tracked) note_access(pointer, bytes, is_write, false);
}
template <typename T, typename F>
T atomic(volatile T* pointer, const F& operation) {
  if (races_tracked) note_access(const_cast<const T*>(pointer), sizeof(T), true, true);
  return operation();
}
}  // namespace

bool akimbo::kernels::device::emulator::can_check_races() { return true; }

#define AKIMBO_PLAIN(bytes)                                              \
  void __tsan_read##bytes(void* p) { plain(p, bytes, false); }           \
  void __tsan_write##bytes(void* p) { plain(p, bytes, true); }           \
  void __tsan_unaligned_read##bytes(void* p) { plain(p, bytes, false); } \
  void __tsan_unaligned_write##bytes(void* p) { plain(p, bytes, true); }

#define AKIMBO_ATOMIC(bits, T)                                                                   \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                       \
    if (races_tracked) note_access(const_cast<const T*>(p), sizeof(T), false, true);             \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                              \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) {                                    \
    atomic(p, [&] {                                                                              \
      __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                  \
      return T(0);                                                                               \
    });                                                                                          \
  }                                                                                              \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                                    \
    return atomic(p, [&] { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); });               \
  }                                                                                              \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) {                                   \
    return atomic(p, [&] { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); });                \
  }                                                                                              \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) {                                   \
    return atomic(p, [&] { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); });                \
  }                                                                                              \
  T __tsan_atomic##bits##_fetch_and(volatile T* p, T v, int) {                                   \
    return atomic(p, [&] { return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); });                \
  }                                                                                              \
  T __tsan_atomic##bits##_fetch_or(volatile T* p, T v, int) {                                    \
    return atomic(p, [&] { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); });                 \
  }                                                                                              \
  T __tsan_atomic##bits##_fetch_xor(volatile T* p, T v, int) {                                   \
    return atomic(p, [&] { return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); });                \
  }                                                                                              \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) {        \
    return static_cast<int>(atomic(p, [&] {                                                      \
      return T(__atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
    }));                                                                                         \
  }                                                                                              \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T v, int m, int f) {      \
    return __tsan_atomic##bits##_compare_exchange_strong(p, e, v, m, f);                         \
  }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_read_range(void* p, unsigned long bytes) { plain(p, bytes, false); }
void __tsan_write_range(void* p, unsigned long bytes) { plain(p, bytes, true); }
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}
AKIMBO_PLAIN(1)
AKIMBO_PLAIN(2)
AKIMBO_PLAIN(4)
AKIMBO_PLAIN(8)
AKIMBO_PLAIN(16)
AKIMBO_ATOMIC(8, std::uint8_t)
AKIMBO_ATOMIC(16, std::uint16_t)
AKIMBO_ATOMIC(32, std::uint32_t)
AKIMBO_ATOMIC(64, std::uint64_t)
}
#else
bool akimbo::kernels::device::emulator::can_check_races() { return false; }
#endif
