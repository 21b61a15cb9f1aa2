// Memory of tensors. Freed blocks are kept and handed out again, because a training step asks for
// the same sizes over and over: fresh pages are slow to touch, and asking a GPU's driver for memory
// stops it. A GPU's block may be handed out while work on its last content is still under way: the
// new owner's work comes later in the same stream.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/device.h"

namespace akimbo {

struct MemoryReport {
  std::size_t in_use_bytes = 0;     // handed out now
  std::size_t peak_bytes = 0;       // largest in_use_bytes since reset_peak_memory
  std::size_t cached_bytes = 0;     // held for reuse
  std::size_t num_allocations = 0;  // blocks asked of the system so far
};

// At least `bytes` bytes aligned to 64 (GPU: 256), uninitialised. Throws DeviceError with bytes
// asked, bytes in use and free, and what to lower; the process can go on.
[[nodiscard]] void* allocate_memory(Device device, std::size_t bytes);
void free_memory(Device device, void* pointer) noexcept;

// Host memory that GPUs copy from and to beside their computation; plain memory without a GPU.
// Aligned to 64. Freed blocks are kept: pinning is slow. Whoever frees one has made sure that no
// copy still uses it.
[[nodiscard]] void* allocate_pinned_memory(std::size_t bytes);
void free_pinned_memory(void* pointer) noexcept;

[[nodiscard]] MemoryReport memory_report(Device device);
void reset_peak_memory(Device device);
// Gives every cached block back to the system.
void release_cached_memory(Device device);

// A GPU's memory is asked of the driver block by block when its cache is off: AKIMBO_NO_CACHE=1,
// and always on the emulated device (so that AddressSanitizer knows every block's bounds) unless
// AKIMBO_NO_CACHE=0. For tests: changes that for blocks to come.
void set_memory_cache(Device device, bool on);

class DeviceAllocator;
struct DevicePool;

// Blocks that a captured graph keeps to itself: their addresses stay good for its replays.
class MemoryPool {
 public:
  explicit MemoryPool(Device device);
  // Memory goes back when the last block has been freed.
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // While one lives, this thread's allocations on the device come from the pool.
  class Scope {
   public:
    explicit Scope(MemoryPool& pool);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    DevicePool* previous_;
  };

  [[nodiscard]] std::size_t size_bytes() const;  // of all its blocks

  struct Part {
    std::size_t offset = 0, bytes = 0;  // multiples of 512
  };
  // Makes blocks of their own of parts of a block (in order, apart from each other, the first not
  // at 0), which free_memory() gives back one by one. Returns what is left between them, blocks as
  // well.
  [[nodiscard]] std::vector<void*> cut(void* block, const std::vector<Part>& parts);

 private:
  DeviceAllocator& allocator_;
  DevicePool* state_;
};

}  // namespace akimbo
