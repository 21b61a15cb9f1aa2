// Large blocks of main memory, cut from a few long ranges of address space. A freed block merges
// with its free neighbours, and a request takes the first place that fits: a training step, whose
// tensors come in all sizes, then needs hardly more pages than it has live bytes. Ranges ask for
// huge pages, which spare the processor most of its address look-ups. Not safe for several threads
// at once: the allocator above it locks.
#pragma once

#include <cstddef>
#include <map>
#include <unordered_map>

namespace akimbo {

class HostArena {
 public:
  // At least `bytes` bytes, aligned to 64; null when the system has no more.
  [[nodiscard]] void* allocate(std::size_t bytes);
  // False when the block is none of the arena's.
  bool free(void* pointer) noexcept;
  // Gives free pages back to the system.
  void release_free() noexcept;

  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] std::size_t free_bytes() const { return free_bytes_; }  // touched or not
  [[nodiscard]] std::size_t num_ranges() const { return num_ranges_; }  // asked of the system

 private:
  using Ranges = std::map<std::byte*, std::size_t>;
  Ranges::iterator find(std::size_t size);
  bool grow(std::size_t bytes);
  void add_free(std::byte* pointer, std::size_t bytes);

  Ranges free_;  // by address, no two touch
  std::unordered_map<void*, std::size_t> used_;
  std::byte* end_ = nullptr;  // of the last range: the next one is asked for there
  std::size_t used_bytes_ = 0, free_bytes_ = 0, num_ranges_ = 0;
};

}  // namespace akimbo
