// CRC-32 with the polynomial of zlib, by which reference files name pictures and tensors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace akimbo::test_support {

[[nodiscard]] inline std::uint32_t crc32(const void* data, std::size_t num_bytes,
                                         std::uint32_t start = 0) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::uint32_t crc = ~start;
  for (std::size_t i = 0; i < num_bytes; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

}  // namespace akimbo::test_support
