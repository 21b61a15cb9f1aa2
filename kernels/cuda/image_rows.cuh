// How kernels walk images [N, H, W, C] whose elements each need their place (pooling, resizing):
// a block takes one row (n, y) and its threads the row's vectors of V channels, so that one
// division finds the row and one the column.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/common/device_failure.h"
#include "kernels/common/shape.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/divide.cuh"

namespace akimbo::kernels::device {

inline constexpr int kImageThreads = 128;

// Extents of an image batch, as a kernel's argument. Rows and columns are counted in 32 bits, which
// keeps their divisions short; offsets in 64.
struct Images {
  std::int64_t count;
  int height, width;
  std::int64_t channels;
};

inline int extent_in_int(std::int64_t extent) {
  if (extent > (1 << 30)) {
    throw DeviceFailure("an image axis of " + std::to_string(extent) +
                        " pixels is longer than the CUDA kernels' 2^30; cut the image");
  }
  return static_cast<int>(extent);
}
inline Images images_of(const Shape& shape) {
  return {shape[0], extent_in_int(shape[1]), extent_in_int(shape[2]), shape[3]};
}

// For V channels per thread. Rows ride grid.x; grid.y shares a long row.
inline LaunchShape image_rows_shape(const Images& images, int vector) {
  const std::int64_t vectors = images.width * (images.channels / vector);
  return {.grid = {images.count * images.height,
                   std::min<std::int64_t>(65535, blocks_for(vectors, kImageThreads))},
          .block = {kImageThreads}};
}

// body(n, y, x, channel, offset) for every vector of the calling thread; offset is that of its
// first element.
template <int V, typename Body>
__device__ __forceinline__ void for_each_vector(const Images& images, const Body& body) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t n = divide(row, images.height);
  const int y = static_cast<int>(row - n * images.height);
  const std::int64_t per_pixel = images.channels / V;
  const std::int64_t per_row = images.width * per_pixel;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
       i < per_row; i += static_cast<std::int64_t>(gridDim.y) * blockDim.x) {
    const std::int64_t x = divide(i, per_pixel);
    const std::int64_t channel = (i - x * per_pixel) * V;
    body(n, y, static_cast<int>(x), channel, (row * images.width + x) * images.channels + channel);
  }
}

// f.template operator()<T, V>(): 16-byte vectors where every row of channels of every operand
// starts on 16 bytes, else single elements.
template <typename T, typename F>
void visit_vector(std::int64_t channels, std::initializer_list<const void*> operands, const F& f) {
  for (const void* p : operands) {
    if (!is_aligned(p, channels * static_cast<std::int64_t>(sizeof(T)))) {
      return f.template operator()<T, 1>();
    }
  }
  f.template operator()<T, kVectorSize<T>>();
}

}  // namespace akimbo::kernels::device
