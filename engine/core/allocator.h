// Memory of tensors. Freed blocks are kept by size class and handed out again, because a training
// step asks for the same sizes over and over and fresh pages are slow to touch.
#pragma once

#include <cstddef>
#include <string>

#include "engine/core/device.h"

namespace akimbo {

struct MemoryReport {
  std::size_t in_use_bytes = 0;    // handed out now
  std::size_t peak_bytes = 0;      // largest in_use_bytes since reset_peak_memory
  std::size_t cached_bytes = 0;    // held for reuse
  std::size_t num_allocations = 0; // blocks asked of the system so far
};

// At least `bytes` bytes aligned to 64, uninitialised. Throws DeviceError with bytes asked, bytes
// in use, and what to lower.
[[nodiscard]] void* allocate_memory(Device device, std::size_t bytes);
void free_memory(Device device, void* pointer) noexcept;

[[nodiscard]] MemoryReport memory_report(Device device);
void reset_peak_memory(Device device);
// Gives every cached block back to the system.
void release_cached_memory(Device device);

}  // namespace akimbo
