#include "engine/core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/core/device_allocator.h"
#include "engine/core/error.h"
#include "engine/core/host_arena.h"
#include "engine/core/work_watcher.h"
#include "kernels/device_runtime.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

constexpr std::size_t kAlignment = 64;

// Eight classes per power of two: at most 12.5 % of a block is unused.
std::size_t size_class(std::size_t bytes) {
  if (bytes <= 512) return 512;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

// Blocks below this are kept by size class; larger ones share the arena. AddressSanitizer knows the
// bounds of blocks that malloc made, so with it all of them are small.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kArenaBlock = SIZE_MAX;
#else
constexpr std::size_t kArenaBlock = std::size_t{64} << 10;
#endif

class CpuAllocator {
 public:
  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    void* pointer = take(bytes);
    if (pointer == nullptr) {
      release_all();
      pointer = take(bytes);
    }
    if (pointer == nullptr) {
      throw_error<DeviceError>(
          "[memory] {} bytes were asked for and the system has no more; {} bytes are in use; "
          "lower the batch size or the input size",
          bytes, in_use());
    }
    peak_bytes_ = std::max(peak_bytes_, in_use());
    return pointer;
  }

  void free(void* pointer) noexcept {
    const std::lock_guard lock(mutex_);
    if (arena_.free(pointer)) return;
    const auto it = size_of_.find(pointer);
    if (it == size_of_.end()) return;
    const std::size_t size = it->second;
    size_of_.erase(it);
    small_bytes_ -= size;
    cached_bytes_ += size;
    free_[size].push_back(pointer);
  }

  MemoryReport report() {
    const std::lock_guard lock(mutex_);
    return {.in_use_bytes = in_use(),
            .peak_bytes = peak_bytes_,
            .cached_bytes = cached_bytes_ + arena_.free_bytes(),
            .num_allocations = num_small_ + arena_.num_ranges()};
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_bytes_ = in_use();
  }
  void release() {
    const std::lock_guard lock(mutex_);
    release_all();
  }

 private:
  [[nodiscard]] std::size_t in_use() const { return small_bytes_ + arena_.used_bytes(); }

  void* take(std::size_t bytes) {
    return bytes >= kArenaBlock ? arena_.allocate(bytes) : take_small(size_class(bytes));
  }

  void* take_small(std::size_t size) {
    void* pointer = nullptr;
    if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
      pointer = it->second.back();
      it->second.pop_back();
      cached_bytes_ -= size;
    } else {
      pointer = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
      if (pointer == nullptr) return nullptr;
      ++num_small_;
    }
    size_of_[pointer] = size;
    small_bytes_ += size;
    return pointer;
  }

  void release_all() {
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) std::free(block);
    }
    free_.clear();
    cached_bytes_ = 0;
    arena_.release_free();
  }

  std::mutex mutex_;
  HostArena arena_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;  // small ones
  std::unordered_map<void*, std::size_t> size_of_;
  std::size_t small_bytes_ = 0, cached_bytes_ = 0, peak_bytes_ = 0, num_small_ = 0;
};

// Never destroyed: tensors of static lifetime may outlive any other order.
CpuAllocator& cpu_allocator() {
  static auto* allocator = new CpuAllocator;
  return *allocator;
}

// Pinned blocks by size class, or plain ones where no GPU can use pinned memory.
class PinnedAllocator {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    void* pointer = nullptr;
    if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
      pointer = it->second.back();
      it->second.pop_back();
    } else {
      pointer = cuda::allocate_pinned(size);
    }
    if (pointer == nullptr) {
      throw_error<DeviceError>(
          "[memory] {} bytes of pinned host memory were asked for and the system has no more; "
          "lower the batch size or the input size",
          bytes);
    }
    size_of_[pointer] = size;
    return pointer;
  }
  void free(void* pointer) noexcept {
    const std::lock_guard lock(mutex_);
    const auto it = size_of_.find(pointer);
    if (it == size_of_.end()) return;
    free_[it->second].push_back(pointer);
    size_of_.erase(it);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
  std::unordered_map<void*, std::size_t> size_of_;
};

PinnedAllocator& pinned_allocator() {
  static auto* allocator = new PinnedAllocator;
  return *allocator;
}

}  // namespace

void* allocate_memory(Device device, std::size_t bytes) {
  if (device.is_cpu()) return cpu_allocator().allocate(bytes);
  WorkWatcher* watcher = work_watcher(device);
  return watcher != nullptr ? watcher->allocate(bytes)
                            : device_allocator(device.index).allocate(bytes);
}

void free_memory(Device device, void* pointer) noexcept {
  if (pointer == nullptr) return;
  if (device.is_cpu()) return cpu_allocator().free(pointer);
  WorkWatcher* watcher = work_watcher(device);
  if (watcher != nullptr && watcher->free(pointer)) return;
  device_allocator(device.index).free(pointer);
}

void* allocate_pinned_memory(std::size_t bytes) {
  return num_gpus() > 0 ? pinned_allocator().allocate(bytes) : cpu_allocator().allocate(bytes);
}

void free_pinned_memory(void* pointer) noexcept {
  if (pointer == nullptr) return;
  if (num_gpus() > 0) return pinned_allocator().free(pointer);
  cpu_allocator().free(pointer);
}

MemoryReport memory_report(Device device) {
  if (device.is_cuda()) return device_allocator(device.index).report();
  return cpu_allocator().report();
}

void reset_peak_memory(Device device) {
  if (device.is_cuda()) return device_allocator(device.index).reset_peak();
  cpu_allocator().reset_peak();
}

void release_cached_memory(Device device) {
  if (device.is_cuda()) return device_allocator(device.index).release_cached();
  cpu_allocator().release();
}

void set_memory_cache(Device device, bool on) {
  if (device.is_cuda()) device_allocator(device.index).set_cache(on);
}

MemoryPool::MemoryPool(Device device)
    : allocator_(device_allocator(device.index)), state_(allocator_.open_pool()) {}

MemoryPool::~MemoryPool() { allocator_.close_pool(state_); }

std::size_t MemoryPool::size_bytes() const { return allocator_.pool_bytes(state_); }

std::vector<void*> MemoryPool::cut(void* block, const std::vector<Part>& parts) {
  return allocator_.cut(block, parts);
}

MemoryPool::Scope::Scope(MemoryPool& pool) : previous_(DeviceAllocator::current_pool()) {
  DeviceAllocator::current_pool() = pool.state_;
}

MemoryPool::Scope::~Scope() { DeviceAllocator::current_pool() = previous_; }

}  // namespace akimbo
