#include "engine/core/allocator.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/core/error.h"

namespace akimbo {
namespace {

constexpr std::size_t kAlignment = 64;

// Eight classes per power of two: at most 12.5 % of a block is unused.
std::size_t size_class(std::size_t bytes) {
  if (bytes <= 512) return 512;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

class CpuAllocator {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    void* pointer = nullptr;
    if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
      pointer = it->second.back();
      it->second.pop_back();
      report_.cached_bytes -= size;
    } else {
      pointer = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
      if (pointer == nullptr) {
        release_all();
        pointer = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
      }
      if (pointer == nullptr) {
        throw_error<DeviceError>(
            "[memory] {} bytes were asked for and the system has no more; {} bytes are in use; "
            "lower the batch size or the input size",
            bytes, report_.in_use_bytes);
      }
      ++report_.num_allocations;
    }
    size_of_[pointer] = size;
    report_.in_use_bytes += size;
    if (report_.in_use_bytes > report_.peak_bytes) report_.peak_bytes = report_.in_use_bytes;
    return pointer;
  }

  void free(void* pointer) noexcept {
    const std::lock_guard lock(mutex_);
    const auto it = size_of_.find(pointer);
    if (it == size_of_.end()) return;
    const std::size_t size = it->second;
    size_of_.erase(it);
    report_.in_use_bytes -= size;
    report_.cached_bytes += size;
    free_[size].push_back(pointer);
  }

  MemoryReport report() {
    const std::lock_guard lock(mutex_);
    return report_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    report_.peak_bytes = report_.in_use_bytes;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    release_all();
  }

 private:
  void release_all() {
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) std::free(block);
    }
    free_.clear();
    report_.cached_bytes = 0;
  }

  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
  std::unordered_map<void*, std::size_t> size_of_;
  MemoryReport report_;
};

// Never destroyed: tensors of static lifetime may outlive any other order.
CpuAllocator& cpu_allocator() {
  static auto* allocator = new CpuAllocator;
  return *allocator;
}

void require_cpu(Device device) {
  if (!device.is_cpu()) throw_error<DeviceError>("[memory] no memory on {}", device.str());
}

}  // namespace

void* allocate_memory(Device device, std::size_t bytes) {
  require_cpu(device);
  return cpu_allocator().allocate(bytes);
}

void free_memory(Device, void* pointer) noexcept {
  if (pointer != nullptr) cpu_allocator().free(pointer);
}

MemoryReport memory_report(Device device) {
  require_cpu(device);
  return cpu_allocator().report();
}

void reset_peak_memory(Device device) {
  require_cpu(device);
  cpu_allocator().reset_peak();
}

void release_cached_memory(Device device) {
  require_cpu(device);
  cpu_allocator().release();
}

}  // namespace akimbo
