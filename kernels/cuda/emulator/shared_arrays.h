// The shared arrays of an emulated block, and the addresses that they have in its window of shared
// memory: what descriptors hold, and what swizzles permute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/emulator/shared_memory.h"

namespace akimbo::kernels::device::emulator {

class SharedArrays {
 public:
  // A block begins; `dynamic_bytes` count from the start.
  void start_over(std::size_t dynamic_bytes);

  [[nodiscard]] SharedMemory* declared(const void* tag) const;
  // An array that declared() did not find, filled with `garbage`.
  SharedMemory& declare(const void* tag, const char* name, std::size_t bytes, std::size_t alignment,
                        unsigned char garbage);
  // That the block has so far.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void count(std::size_t bytes) { bytes_ += bytes; }

  // The array that `bytes` from `pointer` on lie in; nullptr outside.
  [[nodiscard]] const SharedMemory* at(const void* pointer, std::size_t bytes = 1) const;
  // The memory at an address of the window; nullptr where `bytes` are not in one array.
  [[nodiscard]] void* memory_at(std::uint32_t address, std::size_t bytes) const;
  // One that was written outside; nullptr if none.
  [[nodiscard]] const SharedMemory* broken() const;

 private:
  // Blocks of a launch declare the same arrays, often in the same order: they are kept.
  std::vector<std::unique_ptr<SharedMemory>> arrays_;
  std::size_t num_declared_ = 0, bytes_ = 0;
  std::uint32_t window_end_ = 0;
};

}  // namespace akimbo::kernels::device::emulator
