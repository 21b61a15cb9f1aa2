// One shared array of an emulated block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
        margin_(kHasMargins ? alignment_ : 0),
        base_(static_cast<unsigned char*>(
            ::operator new (bytes + 2 * margin_, std::align_val_t{alignment_}))) {
    std::memset(base_, kMarginByte, margin_);
    std::memset(base_ + margin_ + bytes_, kMarginByte, margin_);
  }
  ~SharedMemory() { ::operator delete (base_, std::align_val_t{alignment_}); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] const void* tag() const { return tag_; }
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t alignment() const { return alignment_; }
  [[nodiscard]] void* data() const { return base_ + margin_; }
  // In the window of addresses that the block's shared memory has.
  [[nodiscard]] std::uint32_t address() const { return address_; }
  void set_address(std::uint32_t address) { address_ = address; }
  void fill(unsigned char byte) { std::memset(data(), byte, bytes_); }
  [[nodiscard]] bool is_intact() const {
    for (std::size_t i = 0; i < margin_; ++i) {
      if (base_[i] != kMarginByte || base_[margin_ + bytes_ + i] != kMarginByte) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kMargin = 128;
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kHasMargins = false;
#else
  static constexpr bool kHasMargins = true;
#endif
  static constexpr unsigned char kMarginByte = 0xc5;
  const void* tag_;
  const char* name_;
  std::size_t bytes_, alignment_, margin_;
  unsigned char* base_;
  std::uint32_t address_ = 0;
};

}  // namespace akimbo::kernels::device::emulator
