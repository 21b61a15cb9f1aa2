// Bytes of a file or of memory, taken in order through a small window, so that a pickle in front
// of gigabytes of weights is parsed without reading those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace akimbo::convert {

class ByteReader {
 public:
  // Copies up to `bytes` bytes at `offset` to `to`; returns how many there were.
  using ReadAt = std::function<std::size_t(std::uint64_t offset, void* to, std::size_t bytes)>;

  // `where` begins every message: "model.pth, record data.pkl".
  ByteReader(ReadAt read_at, std::uint64_t total_bytes, std::string where);
  // `content` must outlive the reader.
  ByteReader(std::string_view content, std::string where);

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t remaining() const { return total_bytes_ - position_; }
  [[nodiscard]] const std::string& where() const { return where_; }

  // The next `bytes` bytes, valid until the next call. Throws FileError when fewer are left.
  [[nodiscard]] std::string_view take(std::size_t bytes);
  [[nodiscard]] std::uint8_t take_u8() { return static_cast<std::uint8_t>(take(1)[0]); }
  // Little-endian.
  [[nodiscard]] std::uint64_t take_unsigned(std::size_t bytes);
  // Up to the next newline, which is consumed and not returned; at most `max_bytes`.
  [[nodiscard]] std::string take_line(std::size_t max_bytes);
  void skip(std::uint64_t bytes);

  // Throws FileError "[torch] WHERE, byte POSITION: WHAT".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  ReadAt read_at_;
  std::uint64_t total_bytes_;
  std::string where_;
  std::uint64_t position_ = 0;
  std::string window_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace akimbo::convert
