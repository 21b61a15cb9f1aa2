// One shared array of an emulated block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

namespace akimbo::kernels::device::emulator {

// Memory that ends where it should: AddressSanitizer guards a block of exactly the size asked for,
// otherwise bytes of a known value on both sides tell of writes beyond it.
class SharedMemory {
 public:
  SharedMemory(const void* tag, const char* name, std::size_t bytes, std::size_t alignment)
      : tag_(tag),
        name_(name),
        bytes_(bytes),
        alignment_(std::max(alignment, kMargin)),
        base_(static_cast<unsigned char*>(
            ::operator new (bytes + 2 * kMargin_, std::align_val_t{alignment_}))) {
    std::memset(base_, kMarginByte, kMargin_);
    std::memset(base_ + kMargin_ + bytes_, kMarginByte, kMargin_);
  }
  ~SharedMemory() { ::operator delete (base_, std::align_val_t{alignment_}); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] const void* tag() const { return tag_; }
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] void* data() const { return base_ + kMargin_; }
  void fill(unsigned char byte) { std::memset(data(), byte, bytes_); }
  [[nodiscard]] bool is_intact() const {
    for (std::size_t i = 0; i < kMargin_; ++i) {
      if (base_[i] != kMarginByte || base_[kMargin_ + bytes_ + i] != kMarginByte) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kMargin = 128;
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kMargin_ = 0;
#else
  static constexpr std::size_t kMargin_ = kMargin;
#endif
  static constexpr unsigned char kMarginByte = 0xc5;
  const void* tag_;
  const char* name_;
  std::size_t bytes_, alignment_;
  unsigned char* base_;
};

}  // namespace akimbo::kernels::device::emulator
