// How blocks walk over channels-last maps [N,H,W,C] when each channel is a map of its own.
//
// Neighbouring threads read neighbouring channels, then the next pixel's: with C = 17 a block of
// 255 threads has 15 pixels abreast, and its accesses are as contiguous as the memory. A thread
// meets the same channels (V of them) in each of its pixels, so that its sums stay in registers and
// nothing is exchanged before the block's end. V = 16 bytes' worth where it divides C (volumes,
// whose C is K * D), else 1: 16-byte accesses across pixel borders would give each thread several
// keypoints at changing places.
//
// The cut into blocks depends on H, W and C only: results do not depend on the batch or the device.
#pragma once

#include <algorithm>

#include "kernels/common/view.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::cuda {

struct MapScan {
  std::int64_t pixels = 0;  // of one image
  int width = 1;
  int channels = 0;
  int lanes = 1;             // threads side by side in one pixel
  int rows = 1;              // pixels abreast
  int tiles = 1;             // of channels, lanes * V each
  int pixels_per_block = 1;  // a multiple of rows
  int chunks = 1;            // of pixels

  [[nodiscard]] __device__ __host__ int parts() const { return tiles * chunks; }
  [[nodiscard]] int threads() const { return (lanes * rows + 31) / 32 * 32; }
  [[nodiscard]] device::LaunchShape shape(std::int64_t images, std::size_t shared_bytes = 0) const {
    return {.grid = {images * parts()}, .block = {threads()}, .shared_bytes = shared_bytes};
  }
};

// `steps` pixels per thread, `vector` channels per access (1, or a divisor of C).
inline MapScan make_map_scan(ConstView x, int vector, int steps) {
  constexpr int kThreads = 256;
  MapScan scan;
  scan.pixels = x.dim(1) * x.dim(2);
  scan.width = static_cast<int>(x.dim(2));
  scan.channels = static_cast<int>(x.dim(3));
  const int vectors = std::max(1, scan.channels / vector);
  scan.tiles = (vectors + kThreads - 1) / kThreads;
  scan.lanes = (vectors + scan.tiles - 1) / scan.tiles;
  scan.rows = std::max(1, kThreads / scan.lanes);
  scan.pixels_per_block = scan.rows * steps;
  scan.chunks = static_cast<int>((scan.pixels + scan.pixels_per_block - 1) / scan.pixels_per_block);
  return scan;
}

// The place of a thread in the scan.
struct MapThread {
  std::int64_t image;
  int part, tile, chunk;
  int row, lane, channel;  // channel: the first of V
  bool active;
  std::int64_t first, end;  // pixels: first, first + rows, ... below end
};

template <int V>
__device__ __forceinline__ MapThread map_thread(const MapScan& scan) {
  MapThread t;
  const int thread = static_cast<int>(threadIdx.x);
  const auto block = static_cast<std::int64_t>(blockIdx.x);
  t.image = block / scan.parts();
  t.part = static_cast<int>(block - t.image * scan.parts());
  t.tile = t.part % scan.tiles;
  t.chunk = t.part / scan.tiles;
  t.row = thread / scan.lanes;
  t.lane = thread % scan.lanes;
  t.channel = (t.tile * scan.lanes + t.lane) * V;
  t.active = t.row < scan.rows && t.channel < scan.channels;
  const std::int64_t begin = static_cast<std::int64_t>(t.chunk) * scan.pixels_per_block;
  t.first = begin + t.row;
  const std::int64_t end = begin + scan.pixels_per_block;
  t.end = end < scan.pixels ? end : scan.pixels;
  return t;
}

// A cell that moves on by a fixed number of pixels, without a division.
struct MovingCell {
  int x, y;
  int step_x, step_y, width;

  __device__ MovingCell(std::int64_t pixel, int step, int map_width)
      : x(static_cast<int>(pixel % map_width)),
        y(static_cast<int>(pixel / map_width)),
        step_x(step % map_width),
        step_y(step / map_width),
        width(map_width) {}
  __device__ __forceinline__ void advance() {
    x += step_x;
    y += step_y;
    if (x >= width) {
      x -= width;
      ++y;
    }
  }
};

}  // namespace akimbo::kernels::cuda
