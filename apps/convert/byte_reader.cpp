#include "apps/convert/byte_reader.h"

#include <algorithm>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

constexpr std::size_t kWindowBytes = 64 * 1024;

}  // namespace

ByteReader::ByteReader(ReadAt read_at, std::uint64_t total_bytes, std::string where)
    : read_at_(std::move(read_at)), total_bytes_(total_bytes), where_(std::move(where)) {}

ByteReader::ByteReader(std::string_view content, std::string where)
    : ByteReader(
          [content](std::uint64_t offset, void* to, std::size_t bytes) {
            const std::size_t got = std::min<std::size_t>(bytes, content.size() - offset);
            if (got > 0) std::memcpy(to, content.data() + offset, got);
            return got;
          },
          content.size(), std::move(where)) {}

void ByteReader::fail(const std::string& what) const {
  throw_error<FileError>("[torch] {}, byte {}: {}", where_, position_, what);
}

std::string_view ByteReader::take(std::size_t bytes) {
  if (bytes > remaining()) {
    fail(fmt::format("{} bytes are wanted, {} are left; the file is cut short or damaged", bytes,
                     remaining()));
  }
  const std::uint64_t window_end = window_begin_ + window_.size();
  if (position_ < window_begin_ || position_ + bytes > window_end) {
    window_.resize(std::min<std::uint64_t>(std::max(bytes, kWindowBytes), remaining()));
    window_begin_ = position_;
    if (read_at_(position_, window_.data(), window_.size()) != window_.size()) {
      fail("cannot be read; the file changed or the disk failed");
    }
  }
  const std::string_view taken(window_.data() + (position_ - window_begin_), bytes);
  position_ += bytes;
  return taken;
}

std::uint64_t ByteReader::take_unsigned(std::size_t bytes) {
  const std::string_view raw = take(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(raw[i]);
  return value;
}

std::string ByteReader::take_line(std::size_t max_bytes) {
  std::string line;
  while (true) {
    const char c = take(1)[0];
    if (c == '\n') return line;
    if (line.size() == max_bytes) {
      fail(fmt::format("a line is longer than {} bytes; the file is damaged", max_bytes));
    }
    line += c;
  }
}

void ByteReader::skip(std::uint64_t bytes) {
  if (bytes > remaining()) {
    fail(fmt::format("{} bytes are to be skipped, {} are left; the file is cut short or damaged",
                     bytes, remaining()));
  }
  position_ += bytes;
}

}  // namespace akimbo::convert
