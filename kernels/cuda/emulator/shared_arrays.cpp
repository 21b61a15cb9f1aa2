#include "kernels/cuda/emulator/shared_arrays.h"

#include <algorithm>

namespace akimbo::kernels::device::emulator {
namespace {

// Alignment that the address has in common with the host's pointer: the longest pattern that a
// swizzle has. The first bytes of the window belong to the system, as on sm_90.
constexpr std::uint32_t kCommonAlignment = 1024;

}  // namespace

void SharedArrays::start_over(std::size_t dynamic_bytes) {
#if defined(__SANITIZE_ADDRESS__)
  arrays_.clear();  // a pointer kept from an earlier block is an error
#endif
  num_declared_ = 0;
  bytes_ = dynamic_bytes;
  window_end_ = kCommonAlignment;
}

SharedMemory* SharedArrays::declared(const void* tag) const {
  for (std::size_t i = 0; i < num_declared_; ++i) {
    if (arrays_[i]->tag() == tag) return arrays_[i].get();
  }
  return nullptr;
}

SharedMemory& SharedArrays::declare(const void* tag, const char* name, std::size_t bytes,
                                    std::size_t alignment, unsigned char garbage) {
  std::size_t found = num_declared_;
  while (found < arrays_.size() &&
         (arrays_[found]->tag() != tag || arrays_[found]->alignment() < alignment)) {
    ++found;
  }
  if (found == arrays_.size()) {
    arrays_.push_back(std::make_unique<SharedMemory>(tag, name, bytes, alignment));
  }
  std::swap(arrays_[found], arrays_[num_declared_]);
  SharedMemory& memory = *arrays_[num_declared_++];
  memory.fill(garbage);
  const auto offset = reinterpret_cast<std::uintptr_t>(memory.data()) % kCommonAlignment;
  memory.set_address(window_end_ + static_cast<std::uint32_t>(offset));
  const std::size_t end = memory.address() + bytes + kCommonAlignment - 1;
  window_end_ = static_cast<std::uint32_t>(end / kCommonAlignment * kCommonAlignment);
  return memory;
}

const SharedMemory* SharedArrays::at(const void* pointer, std::size_t bytes) const {
  for (std::size_t i = 0; i < num_declared_; ++i) {
    const auto* begin = static_cast<const unsigned char*>(arrays_[i]->data());
    const auto* end = begin + arrays_[i]->bytes();
    const auto* first = static_cast<const unsigned char*>(pointer);
    if (first >= begin && first < end && bytes <= static_cast<std::size_t>(end - first)) {
      return arrays_[i].get();
    }
  }
  return nullptr;
}

void* SharedArrays::memory_at(std::uint32_t address, std::size_t bytes) const {
  for (std::size_t i = 0; i < num_declared_; ++i) {
    const SharedMemory& array = *arrays_[i];
    if (address >= array.address() && address + bytes <= array.address() + array.bytes()) {
      return static_cast<unsigned char*>(array.data()) + (address - array.address());
    }
  }
  return nullptr;
}

const SharedMemory* SharedArrays::broken() const {
  for (std::size_t i = 0; i < num_declared_; ++i) {
    if (!arrays_[i]->is_intact()) return arrays_[i].get();
  }
  return nullptr;
}

}  // namespace akimbo::kernels::device::emulator
