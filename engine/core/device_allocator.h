// The caching allocator of one GPU. Memory is asked of the driver in segments, which are cut into
// blocks; a freed block merges with its free neighbours. Requests take the smallest free block that
// fits (best fit), so that one size of picture after another finds its place in the same segments.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/core/allocator.h"

namespace akimbo {

struct DeviceBlock;
struct DevicePool;

class DeviceAllocator {
 public:
  using Pool = DevicePool;
  using Block = DeviceBlock;

  explicit DeviceAllocator(int device);

  void* allocate(std::size_t bytes);
  void free(void* pointer) noexcept;
  MemoryReport report();
  void reset_peak();
  void release_cached();
  void set_cache(bool on);

  Pool* open_pool();
  // The memory goes back now, or when the pool's last block is freed.
  void close_pool(Pool* pool) noexcept;
  std::size_t pool_bytes(Pool* pool);
  // MemoryPool::cut.
  std::vector<void*> cut(void* block, const std::vector<MemoryPool::Part>& parts);
  // Where the used block begins that `pointer` lies in; null if there is none.
  const void* block_of(const void* pointer);

  // Where this thread's blocks come from; nullptr: from the common pool.
  static Pool*& current_pool();

 private:
  Block* take_free(Pool& pool, std::size_t bytes);
  Block* add_segment(Pool& pool, std::size_t bytes, bool whole);
  void split(Block& block, std::size_t bytes);
  static Block* cut_off(Block& block, std::size_t bytes);
  Block* merge(Block* block);
  void release_free_segments(Pool& pool) noexcept;
  void drop_if_done(Pool* pool) noexcept;
  [[noreturn]] void throw_out_of_memory(std::size_t bytes);

  const int device_;
  bool cache_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Pool>> pools_;  // the common one first
  std::map<const void*, Block*> used_;
  MemoryReport report_;
};

// Of cuda:`device`; made at the first use.
[[nodiscard]] DeviceAllocator& device_allocator(int device);

}  // namespace akimbo
