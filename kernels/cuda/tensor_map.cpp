// The limits of tensor maps, which the driver and the emulator share. Where no other source is
// named they stand in the CUDA Driver API, "Tensor Map Object Management", at
// cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col (comments of the same name in cuda.h).
#include "kernels/cuda/tensor_map.h"

namespace akimbo::kernels::device {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 32;
constexpr std::int64_t kMaxStride = std::int64_t{1} << 40;
constexpr int kMaxBox = 256, kMaxChannels = 256, kMaxPixels = 1024, kMaxElementStride = 8;

int element_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

// `bytes` of the box's innermost dimension, one row in shared memory. That a swizzled row is full
// is our own rule: where it is not, the documents leave open where the next one begins.
std::string refusal_of_row(int bytes, Swizzle swizzle) {
  if (bytes % 16 != 0) {
    return "rows of " + std::to_string(bytes) + " bytes are not multiples of 16";
  }
  if (swizzle != Swizzle::none && bytes != swizzle_bytes(swizzle)) {
    return "rows of " + std::to_string(bytes) + " bytes do not fill the swizzle's " +
           std::to_string(swizzle_bytes(swizzle));
  }
  return "";
}

// What both kinds of map say of the tensor itself. strides [rank - 1].
std::string refusal_of_tensor(DType dtype, const void* data, int rank, const std::int64_t* extents,
                              const std::int64_t* strides) {
  if (dtype != DType::bf16 && dtype != DType::f16 && dtype != DType::f32) {
    return "elements are not of bf16, f16 or f32";
  }
  if (reinterpret_cast<std::uintptr_t>(data) % 16 != 0) return "data is not aligned to 16 bytes";
  for (int i = 0; i < rank; ++i) {
    if (extents[i] < 1 || extents[i] > kMaxExtent) {
      return "extent " + std::to_string(i) + " is " + std::to_string(extents[i]);
    }
  }
  for (int i = 0; i < rank - 1; ++i) {
    if (strides[i] < 1 || strides[i] % 16 != 0 || strides[i] >= kMaxStride) {
      return "stride " + std::to_string(i + 1) + " is " + std::to_string(strides[i]) +
             " bytes, which is not a multiple of 16 below 2^40";
    }
  }
  return "";
}

// Rank 4 leaves 8 bits to each of two corners. PTX ISA, "im2col mode: bounding box".
bool is_corner(int value) { return value >= -128 && value <= 127; }

std::string refusal_of_axis(const char* axis, std::int64_t extent, int lower, int upper,
                            int stride) {
  if (!is_corner(lower) || !is_corner(upper)) {
    return std::string("a corner in ") + axis + " is outside [-128, 127]";
  }
  if (extent + upper - lower < 1) return std::string("the box is empty in ") + axis;
  if (stride < 1 || stride > kMaxElementStride) {
    return std::string("stride ") + std::to_string(stride) + " in " + axis + " is outside [1, 8]";
  }
  return "";
}

}  // namespace

std::string refusal_of(const TiledMapShape& s) {
  if (s.rank < 1 || s.rank > 5) return "rank " + std::to_string(s.rank) + " is outside [1, 5]";
  std::string refusal = refusal_of_tensor(s.dtype, s.data, s.rank, s.extents, s.strides);
  if (!refusal.empty()) return refusal;
  for (int i = 0; i < s.rank; ++i) {
    if (s.box[i] < 1 || s.box[i] > kMaxBox) {
      return "box " + std::to_string(i) + " is " + std::to_string(s.box[i]) + ", outside [1, 256]";
    }
    if (s.element_strides[i] < 1 || s.element_strides[i] > kMaxElementStride) {
      return "element stride " + std::to_string(i) + " is outside [1, 8]";
    }
  }
  return refusal_of_row(s.box[0] * element_bytes(s.dtype), s.swizzle);
}

std::string refusal_of(const Im2colMapShape& s) {
  std::string refusal = refusal_of_tensor(s.dtype, s.data, 4, s.extents, s.strides);
  if (!refusal.empty()) return refusal;
  refusal = refusal_of_axis("W", s.extents[1], s.lower_w, s.upper_w, s.stride_w);
  if (!refusal.empty()) return refusal;
  refusal = refusal_of_axis("H", s.extents[2], s.lower_h, s.upper_h, s.stride_h);
  if (!refusal.empty()) return refusal;
  if (s.channels_per_pixel < 1 || s.channels_per_pixel > kMaxChannels) {
    return std::to_string(s.channels_per_pixel) + " channels per pixel are outside [1, 256]";
  }
  if (s.pixels_per_column < 1 || s.pixels_per_column > kMaxPixels) {
    return std::to_string(s.pixels_per_column) + " pixels per column are outside [1, 1024]";
  }
  return refusal_of_row(s.channels_per_pixel * element_bytes(s.dtype), s.swizzle);
}

}  // namespace akimbo::kernels::device
