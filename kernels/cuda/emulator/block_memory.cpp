// A block's shared memory, and the cp.async that fill it.
#include "kernels/cuda/emulator/running_block.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr char dynamic_tag = 0;  // stands for the dynamic shared memory

}  // namespace

void* Block::shared_array(const void* tag, const char* name, std::size_t bytes,
                          std::size_t alignment) {
  if (const SharedMemory* known = shared_.declared(tag)) {
    if (known->alignment() < alignment) fault("mixes dynamic_shared and swizzled_shared", Where());
    return known->data();
  }
  if (tag != &dynamic_tag) shared_.count(bytes);  // the dynamic ones count from the start
  if (shared_.bytes() > kMaxSharedBytes) {
    fault("needs " + std::to_string(shared_.bytes()) + " bytes of shared memory with " + name +
              "; a block has " + std::to_string(kMaxSharedBytes),
          Where());
  }
  return shared_.declare(tag, name, bytes, alignment, garbage_).data();
}

void* Block::dynamic_shared_memory(std::size_t alignment, const Where& where) {
  if (shape_.shared_bytes == 0) {
    fault("dynamic_shared() in a launch without shared_bytes", where);
  }
  return shared_array(&dynamic_tag, "dynamic shared memory", shape_.shared_bytes, alignment);
}

void Block::issue_copy(const Copy& copy, const Where& where) {
  const auto is_misaligned = [&](const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer) % static_cast<std::uintptr_t>(copy.bytes) != 0;
  };
  if (is_misaligned(copy.to) || is_misaligned(copy.from)) {
    fault("an asynchronous copy of " + std::to_string(copy.bytes) +
              " bytes to or from an address that is not a multiple of it",
          where);
  }
  current_->copies.issue(copy, garbage_);
}

}  // namespace akimbo::kernels::device::emulator
