#include "engine/core/host_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace akimbo {
namespace {

constexpr std::size_t kGranule = 64;
constexpr std::size_t kPage = 4096, kHugePage = std::size_t{2} << 20;
// Address space costs nothing until it is touched.
constexpr std::size_t kRange = std::size_t{64} << 20;
constexpr std::size_t kSmall = std::size_t{4} << 20;
// Tensors of equal shape would start at the same offset of a page, and loops that read several of
// them side by side would fight for the same sets of the first-level cache.
constexpr std::size_t kStagger = 5 * kGranule;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// A place far from libraries and stacks, where ranges can grow side by side. Only a wish.
std::byte* first_place() {
  return reinterpret_cast<std::byte*>(std::uintptr_t{1} << 45);  // NOLINT
}

std::byte* map_pages(std::byte* wish, std::size_t bytes) {
  void* pointer =
      mmap(wish, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pointer == MAP_FAILED) return nullptr;
  madvise(pointer, bytes, MADV_HUGEPAGE);  // where the system knows none, small pages do
  return static_cast<std::byte*>(pointer);
}

}  // namespace

void* HostArena::allocate(std::size_t bytes) {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kGranule) + kStagger;
  auto it = find(size);
  if (it == free_.end()) {
    if (!grow(size)) return nullptr;
    it = find(size);
  }
  const auto [pointer, available] = *it;
  free_.erase(it);
  if (available > size) free_.emplace(pointer + size, available - size);
  used_.emplace(pointer, size);
  used_bytes_ += size;
  free_bytes_ -= size;
  return pointer;
}

// Large blocks from below, small ones from above, and beyond all others only if they must: so the
// small do not break up the places of the large.
HostArena::Ranges::iterator HostArena::find(std::size_t size) {
  const auto fits = [size](const auto& range) { return range.second >= size; };
  if (size < kSmall) {
    auto from = free_.rbegin();
    if (from != free_.rend() && from->first + from->second == end_) ++from;
    const auto it = std::find_if(from, free_.rend(), fits);
    if (it != free_.rend()) return std::prev(it.base());
  }
  return std::find_if(free_.begin(), free_.end(), fits);
}

bool HostArena::free(void* pointer) noexcept {
  const auto it = used_.find(pointer);
  if (it == used_.end()) return false;
  const std::size_t size = it->second;
  used_.erase(it);
  used_bytes_ -= size;
  add_free(static_cast<std::byte*>(pointer), size);
  return true;
}

// Behind the last range if the system can, so that both become one.
bool HostArena::grow(std::size_t bytes) {
  std::byte* wish = end_ != nullptr ? end_ : first_place();
  std::size_t size = round_up(std::max(bytes, kRange), kHugePage);
  std::byte* pointer = map_pages(wish, size);
  if (pointer == nullptr) {
    size = round_up(bytes, kPage);  // under a limit the request itself may still fit
    pointer = map_pages(wish, size);
  }
  if (pointer == nullptr) return false;
  end_ = pointer + size;
  ++num_ranges_;
  add_free(pointer, size);
  return true;
}

void HostArena::add_free(std::byte* pointer, std::size_t bytes) {
  free_bytes_ += bytes;
  auto next = free_.lower_bound(pointer);
  if (next != free_.end() && pointer + bytes == next->first) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == pointer) {
      previous->second += bytes;
      return;
    }
  }
  free_.emplace_hint(next, pointer, bytes);
}

void HostArena::release_free() noexcept {
  const auto address = [](std::byte* p) { return reinterpret_cast<std::uintptr_t>(p); };
  Ranges rest;  // parts of pages that used blocks share
  for (const auto& [pointer, bytes] : free_) {
    const std::size_t head = round_up(address(pointer), kPage) - address(pointer);
    const std::size_t pages = head < bytes ? (bytes - head) / kPage * kPage : 0;
    if (pages == 0 || munmap(pointer + head, pages) != 0) {
      rest.emplace(pointer, bytes);
      continue;
    }
    free_bytes_ -= pages;
    if (head > 0) rest.emplace(pointer, head);
    if (bytes > head + pages) rest.emplace(pointer + head + pages, bytes - head - pages);
  }
  free_ = std::move(rest);
}

}  // namespace akimbo
