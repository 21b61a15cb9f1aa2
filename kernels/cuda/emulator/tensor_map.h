// Tensor maps of the emulator, and what a copy by one moves where.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/cuda/tensor_map.h"

namespace akimbo::kernels::device::emulator {

// What a TensorMap's bytes hold here.
struct MapContents {
  std::uint64_t magic;
  const unsigned char* data;
  std::int64_t strides[5];  // bytes; [0] is an element's
  std::uint32_t last[5];    // extent - 1
  std::uint16_t box[5];     // im2col: [0] channels per pixel, [1] pixels per column
  std::uint8_t element_strides[5];
  std::int8_t lower[2], upper[2];  // im2col: W, H
  std::uint8_t rank;
  Swizzle swizzle;
  bool is_im2col;
};
static_assert(sizeof(MapContents) <= sizeof(TensorMap));

// What is wrong when the map was not made; "" if nothing.
[[nodiscard]] std::string read_map(const TensorMap* map, MapContents& contents);

// Coordinates of a copy, innermost first; im2col: C, W, H, N and the offsets in W and H.
struct TensorPlace {
  int rank;
  bool is_im2col;
  int coordinates[5];
  int offsets[2];
};

// "" when the instruction may name the place with this map.
[[nodiscard]] std::string fault_of_place(const MapContents& map, const TensorPlace& place);
// That a copy writes, and counts off its barrier.
[[nodiscard]] int copied_bytes(const MapContents& map);
// Writes copied_bytes() to `to`, whose address in the window of shared memory is `address`.
void copy_box(const MapContents& map, const TensorPlace& place, unsigned char* to,
              std::uint32_t address);

// Where the byte of a tile is that would be at `address` unswizzled. Its own inverse.
[[nodiscard]] constexpr std::uint32_t swizzled_address(std::uint32_t address, Swizzle swizzle) {
  const std::uint32_t mask = (1u << static_cast<int>(swizzle)) - 1;  // 1, 2 or 3 bits
  return address ^ ((address >> 7 & mask) << 4);
}

}  // namespace akimbo::kernels::device::emulator
