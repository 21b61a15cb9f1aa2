// Host side of the sm_90a kernels: descriptions of tensors in global memory ("tensor maps") by
// which a GPU's copy engine moves boxes of them to shared memory (hopper.cuh). Plain C++.
//
// A shape that the hardware refuses, a device that is not of sm_90 and a driver without the calls
// are no errors: the functions return false, and the caller takes another kernel.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/common/dtype.h"

namespace akimbo::kernels::device {

// Opaque; passed to a kernel by value as `AKIMBO_GRID_CONSTANT const TensorMap`.
struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

// How chunks of 16 bytes are permuted inside shared memory, so that the columns of a tile lie in
// different banks: within rows of 32, 64 or 128 bytes, address bits 4 and up are XORed with bit 7
// and up (one, two or three of them). The pattern repeats every 256, 512 or 1024 bytes.
// PTX ISA, "Tensors: swizzling modes".
enum class Swizzle : std::uint8_t { none, bytes_32, bytes_64, bytes_128 };

// Length of the rows that are permuted; 0 for none.
[[nodiscard]] constexpr int swizzle_bytes(Swizzle swizzle) {
  return swizzle == Swizzle::none ? 0 : 16 << static_cast<int>(swizzle);
}
// Bytes after which the pattern repeats: where tiles have to start.
[[nodiscard]] constexpr int swizzle_period(Swizzle swizzle) { return 8 * swizzle_bytes(swizzle); }

// A box of a tensor of 1 to 5 dimensions, the innermost (contiguous) first.
struct TiledMapShape {
  DType dtype = DType::bf16;  // bf16, f16 or f32
  const void* data = nullptr;
  int rank = 0;
  std::int64_t extents[5] = {};              // elements
  std::int64_t strides[4] = {};              // bytes, of dimensions 1 to rank - 1
  int box[5] = {};                           // elements
  int element_strides[5] = {1, 1, 1, 1, 1};  // every n-th of the box; [0] is ignored
  Swizzle swizzle = Swizzle::none;
};

// Columns of pixels of images [N, H, W, C], for convolutions. Pixels run through a box of each
// image, W first, then H, then the next image; the box is [lower, extent - 1 + upper], both ends
// included, in steps of the stride. A copy begins at a pixel of the box and reads at that pixel
// plus its offsets, which are a filter tap's; what lies outside the tensor reads as 0. For an
// output of P x Q pixels: lower = -padding, upper = lower + (Q - 1) stride + 1 - W.
struct Im2colMapShape {
  DType dtype = DType::bf16;
  const void* data = nullptr;
  std::int64_t extents[4] = {};  // C, W, H, N
  std::int64_t strides[3] = {};  // bytes, of W, H, N
  int lower_w = 0, lower_h = 0, upper_w = 0, upper_h = 0;
  int channels_per_pixel = 0, pixels_per_column = 0;  // of one copy
  int stride_w = 1, stride_h = 1;
  Swizzle swizzle = Swizzle::none;
};

// Why the hardware does not take the shape; "" when it does.
[[nodiscard]] std::string refusal_of(const TiledMapShape& shape);
[[nodiscard]] std::string refusal_of(const Im2colMapShape& shape);

[[nodiscard]] bool make_tiled_map(TensorMap& map, const TiledMapShape& shape);
[[nodiscard]] bool make_im2col_map(TensorMap& map, const Im2colMapShape& shape);

// Whether the current device is of sm_90 and the program holds code for sm_90a. True of the
// emulator.
[[nodiscard]] bool runs_hopper_code();

}  // namespace akimbo::kernels::device
