#include "engine/core/device_allocator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <set>

#include "engine/core/error.h"
#include "kernels/device_runtime.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

constexpr std::size_t kGranule = 512;  // blocks start and end at multiples of it
// Small requests share segments of 2 MiB, middling ones of 20 MiB; larger ones get their own, of
// whole 2 MiB. A remainder is cut off when it could serve a request of the same kind.
constexpr std::size_t kSmall = std::size_t{1} << 20;
constexpr std::size_t kSmallSegment = std::size_t{2} << 20;
constexpr std::size_t kMiddle = std::size_t{10} << 20;
constexpr std::size_t kMiddleSegment = std::size_t{20} << 20;
constexpr int kMaxDevices = 64;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::size_t segment_size(std::size_t bytes) {
  if (bytes <= kSmall) return kSmallSegment;
  if (bytes < kMiddle) return kMiddleSegment;
  return round_up(bytes, kSmallSegment);
}

bool cache_by_default() {
  const char* text = std::getenv("AKIMBO_NO_CACHE");
  if (text == nullptr || *text == '\0') return !cuda::is_emulated();
  return std::strcmp(text, "0") == 0;
}

std::string readable(std::size_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= std::size_t{1} << 30) return fmt::format("{:.2f} GiB", value / (1 << 30));
  if (bytes >= std::size_t{1} << 20) return fmt::format("{:.1f} MiB", value / (1 << 20));
  return fmt::format("{} bytes", bytes);
}

}  // namespace

struct DeviceBlock {
  std::byte* pointer = nullptr;
  std::size_t size = 0;
  DevicePool* pool = nullptr;
  DeviceBlock* previous = nullptr;  // neighbours in the segment
  DeviceBlock* next = nullptr;
  bool is_free = false;
  bool is_whole = false;  // asked of the driver for this one request
};

struct BySize {
  bool operator()(const DeviceBlock* a, const DeviceBlock* b) const {
    return a->size != b->size ? a->size < b->size : a->pointer < b->pointer;
  }
};

struct DevicePool {
  std::set<DeviceBlock*, BySize> free;
  std::vector<DeviceBlock*> segments;  // the first block of each
  std::size_t num_used = 0;
  std::size_t num_bytes = 0;
  bool is_closed = false;
};

DeviceAllocator::DeviceAllocator(int device) : device_(device), cache_(cache_by_default()) {
  pools_.push_back(std::make_unique<Pool>());
}

DeviceAllocator::Pool*& DeviceAllocator::current_pool() {
  thread_local Pool* pool = nullptr;
  return pool;
}

void* DeviceAllocator::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  Pool* chosen = current_pool();
  const bool is_ours = std::any_of(pools_.begin(), pools_.end(),
                                   [&](const auto& pool) { return pool.get() == chosen; });
  Pool& pool = is_ours ? *chosen : *pools_.front();
  const std::size_t size = cache_ ? round_up(std::max<std::size_t>(bytes, 1), kGranule) : bytes;
  Block* block = cache_ ? take_free(pool, size) : nullptr;
  if (block == nullptr) block = add_segment(pool, size, !cache_);
  if (block == nullptr) {
    for (const auto& other : pools_) release_free_segments(*other);
    block = add_segment(pool, size, !cache_);
  }
  if (block == nullptr) throw_out_of_memory(bytes);
  block->is_free = false;
  ++pool.num_used;
  used_.emplace(block->pointer, block);
  report_.in_use_bytes += block->size;
  report_.peak_bytes = std::max(report_.peak_bytes, report_.in_use_bytes);
  return block->pointer;
}

DeviceAllocator::Block* DeviceAllocator::take_free(Pool& pool, std::size_t bytes) {
  Block wanted;
  wanted.size = bytes;
  const auto it = pool.free.lower_bound(&wanted);
  // A large block is not broken for a small request: it would keep the whole segment from the
  // next large one.
  if (it == pool.free.end() || (bytes <= kSmall && (*it)->size > kMiddleSegment)) return nullptr;
  Block* block = *it;
  pool.free.erase(it);
  report_.cached_bytes -= block->size;
  split(*block, bytes);
  return block;
}

DeviceAllocator::Block* DeviceAllocator::add_segment(Pool& pool, std::size_t bytes, bool whole) {
  std::size_t size = whole ? bytes : segment_size(bytes);
  void* pointer = cuda::allocate(device_, size);
  if (pointer == nullptr && !whole && size > bytes) {
    size = bytes;  // the last free memory may still hold the request itself
    pointer = cuda::allocate(device_, size);
  }
  if (pointer == nullptr) return nullptr;
  auto* block = new Block;
  block->pointer = static_cast<std::byte*>(pointer);
  block->size = size;
  block->pool = &pool;
  block->is_whole = whole;
  pool.segments.push_back(block);
  pool.num_bytes += size;
  ++report_.num_allocations;
  if (!whole) split(*block, bytes);
  return block;
}

// The rest behind `bytes` as a block of its own.
DeviceAllocator::Block* DeviceAllocator::cut_off(Block& block, std::size_t bytes) {
  auto* tail = new Block(block);
  tail->pointer = block.pointer + bytes;
  tail->size = block.size - bytes;
  tail->previous = &block;
  if (block.next != nullptr) block.next->previous = tail;
  block.next = tail;
  block.size = bytes;
  return tail;
}

// Cuts the rest behind `bytes` off as a free block, where that is of use.
void DeviceAllocator::split(Block& block, std::size_t bytes) {
  const std::size_t rest = block.size - bytes;
  if (block.is_whole || rest < (bytes <= kSmall ? kGranule : kSmall)) return;
  Block* tail = cut_off(block, bytes);
  tail->is_free = true;
  block.pool->free.insert(tail);
  report_.cached_bytes += rest;
}

std::vector<void*> DeviceAllocator::cut(void* pointer, const std::vector<MemoryPool::Part>& parts) {
  const std::lock_guard lock(mutex_);
  Block* block = used_.at(pointer);
  block->is_whole = false;
  std::size_t begin = 0;  // of the block, which is in no part yet
  std::vector<void*> between;
  const auto cut_at = [&](std::size_t offset) {
    block = cut_off(*block, offset - begin);
    begin = offset;
    used_.emplace(block->pointer, block);
    ++block->pool->num_used;
  };
  for (const MemoryPool::Part& part : parts) {
    if (part.offset > begin) {
      between.push_back(block->pointer);
      cut_at(part.offset);
    }
    if (part.bytes == block->size) return between;  // the last
    cut_at(part.offset + part.bytes);
  }
  between.push_back(block->pointer);
  return between;
}

const void* DeviceAllocator::block_of(const void* pointer) {
  const std::lock_guard lock(mutex_);
  auto it = used_.upper_bound(pointer);
  if (it == used_.begin()) return nullptr;
  --it;
  const std::byte* begin = it->second->pointer;
  return pointer < begin + it->second->size ? begin : nullptr;
}

void DeviceAllocator::free(void* pointer) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = used_.find(pointer);
  if (it == used_.end()) return;
  Block* block = it->second;
  Pool* pool = block->pool;
  used_.erase(it);
  report_.in_use_bytes -= block->size;
  report_.cached_bytes += block->size;
  --pool->num_used;
  block->is_free = true;
  if (!block->is_whole) {
    block = merge(block);
    pool->free.insert(block);
  } else if (pool == pools_.front().get()) {
    release_free_segments(*pool);
  }  // else: a captured graph's replays still write to it
  drop_if_done(pool);
}

DeviceAllocator::Block* DeviceAllocator::merge(Block* block) {
  const auto absorb = [&](Block* left, Block* right) {
    left->size += right->size;
    left->next = right->next;
    if (right->next != nullptr) right->next->previous = left;
    delete right;
  };
  if (block->next != nullptr && block->next->is_free) {
    block->pool->free.erase(block->next);
    absorb(block, block->next);
  }
  if (block->previous != nullptr && block->previous->is_free) {
    Block* left = block->previous;
    block->pool->free.erase(left);
    absorb(left, block);
    block = left;
  }
  return block;
}

// Segments of a captured graph stay even when free: its replays use them.
void DeviceAllocator::release_free_segments(Pool& pool) noexcept {
  if (&pool != pools_.front().get() && !pool.is_closed) return;
  std::erase_if(pool.segments, [&](Block* first) {
    if (!first->is_free || first->next != nullptr) return false;
    pool.free.erase(first);
    pool.num_bytes -= first->size;
    report_.cached_bytes -= first->size;
    cuda::free(device_, first->pointer);
    delete first;
    return true;
  });
}

void DeviceAllocator::drop_if_done(Pool* pool) noexcept {
  if (!pool->is_closed || pool->num_used > 0) return;
  release_free_segments(*pool);
  std::erase_if(pools_, [&](const auto& p) { return p.get() == pool; });
}

void DeviceAllocator::throw_out_of_memory(std::size_t bytes) {
  const cuda::MemoryInfo info = cuda::memory_info(device_);
  throw_error<DeviceError>(
      "[memory] cuda:{} is out of memory: {} ({} bytes) were asked for, {} of {} are free, {} are "
      "in use by this program; lower the batch size (train.batch_size, eval.batch_size) or the "
      "input size (codec.input_size)",
      device_, readable(bytes), bytes, readable(info.free_bytes), readable(info.total_bytes),
      readable(report_.in_use_bytes));
}

MemoryReport DeviceAllocator::report() {
  const std::lock_guard lock(mutex_);
  return report_;
}

void DeviceAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  report_.peak_bytes = report_.in_use_bytes;
}

void DeviceAllocator::release_cached() {
  const std::lock_guard lock(mutex_);
  for (const auto& pool : pools_) release_free_segments(*pool);
}

void DeviceAllocator::set_cache(bool on) {
  const std::lock_guard lock(mutex_);
  cache_ = on;
}

DeviceAllocator::Pool* DeviceAllocator::open_pool() {
  const std::lock_guard lock(mutex_);
  return pools_.emplace_back(std::make_unique<Pool>()).get();
}

void DeviceAllocator::close_pool(Pool* pool) noexcept {
  const std::lock_guard lock(mutex_);
  pool->is_closed = true;
  release_free_segments(*pool);
  drop_if_done(pool);
}

std::size_t DeviceAllocator::pool_bytes(Pool* pool) {
  const std::lock_guard lock(mutex_);
  return pool->num_bytes;
}

// Never destroyed: tensors of static lifetime may outlive any other order.
DeviceAllocator& device_allocator(int device) {
  static std::mutex mutex;
  static std::array<std::atomic<DeviceAllocator*>, kMaxDevices> allocators{};
  if (device < 0 || device >= std::min(kMaxDevices, cuda::device_count())) {
    throw_error<DeviceError>("[memory] there is no device cuda:{}", device);
  }
  auto& slot = allocators[static_cast<std::size_t>(device)];
  if (slot.load() == nullptr) {
    const std::lock_guard lock(mutex);
    if (slot.load() == nullptr) slot.store(new DeviceAllocator(device));
  }
  return *slot.load();
}

}  // namespace akimbo
