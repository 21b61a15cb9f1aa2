// How kernels walk rows of channels, x [rows, channels]: the threads of a block lie over channels
// (vectors of V, neighbours in memory) and over rows; each block takes a range of channels and a
// chunk of rows. A thread keeps its channels, so that values per channel stay in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

inline constexpr int kRowThreads = 256;

struct RowTiles {
  std::int64_t rows = 0, channels = 0;
  std::int64_t rows_per_chunk = 1, num_chunks = 0;
  std::int64_t channel_blocks = 0;
  int width = 1;   // threads over channels, each with one vector
  int height = 1;  // threads over rows

  [[nodiscard]] LaunchShape shape() const {
    return {.grid = {channel_blocks * num_chunks}, .block = {kRowThreads}};
  }
};

struct RowTileOptions {
  std::int64_t max_blocks = 1024;      // of the whole grid, unless rows_per_thread is reached
  std::int64_t rows_per_thread = 8;    // fewer make no new chunk
  std::int64_t most_per_thread = 512;  // more do, whatever max_blocks says
};

// Bounds depend on the shape only, so sums over chunks have one order on every device.
inline RowTiles row_tiles(std::int64_t rows, std::int64_t channels, int vector,
                          const RowTileOptions& options = {}) {
  RowTiles t;
  t.rows = rows;
  t.channels = channels;
  if (rows == 0 || channels == 0) return t;
  const std::int64_t vectors = (channels + vector - 1) / vector;
  // At most one warp over channels, 512 bytes of a row; blocks as equal as can be.
  t.channel_blocks = (vectors + kWarpSize - 1) / kWarpSize;
  t.width = static_cast<int>((vectors + t.channel_blocks - 1) / t.channel_blocks);
  t.channel_blocks = (vectors + t.width - 1) / t.width;
  t.height = kRowThreads / t.width;
  const auto chunks_of = [&](std::int64_t rows_per_thread) {
    return blocks_for(rows, t.height * rows_per_thread);
  };
  const std::int64_t wanted = std::max<std::int64_t>(1, options.max_blocks / t.channel_blocks);
  const std::int64_t chunks = std::max(std::min(wanted, chunks_of(options.rows_per_thread)),
                                       chunks_of(options.most_per_thread));
  t.rows_per_chunk = blocks_for(blocks_for(rows, chunks), t.height) * t.height;
  t.num_chunks = blocks_for(rows, t.rows_per_chunk);
  return t;
}

// Where the calling thread of the given block works: rows row, row + height, ... below row_end, V
// channels from `channel`. A thread that is not `active` has no rows, but joins barriers.
struct RowPlace {
  std::int64_t chunk, channel, row, row_end;
  int x, y;
  bool active;
};

__device__ __forceinline__ RowPlace row_place(const RowTiles& t, int vector, std::int64_t block) {
  RowPlace p;
  const int thread = static_cast<int>(threadIdx.x);
  p.y = thread / t.width;
  p.x = thread - p.y * t.width;
  p.chunk = block / t.channel_blocks;
  p.channel = ((block - p.chunk * t.channel_blocks) * t.width + p.x) * vector;
  p.active = p.y < t.height && p.channel < t.channels;
  const std::int64_t first = p.chunk * t.rows_per_chunk;
  const std::int64_t end = first + t.rows_per_chunk;
  p.row = first + p.y;
  p.row_end = !p.active ? 0 : end < t.rows ? end : t.rows;
  return p;
}
__device__ __forceinline__ RowPlace row_place(const RowTiles& t, int vector) {
  return row_place(t, vector, blockIdx.x);
}

// Adds sums[K] of the threads with one x over y; the totals are those of the threads with y = 0.
// `shared` has room for K * kRowThreads. Every thread of the block calls it.
template <int K, typename C>
__device__ __forceinline__ void add_over_rows(const RowTiles& t, const RowPlace& p, C (&sums)[K],
                                              C* shared) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int k = 0; k < K; ++k) shared[k * kRowThreads + thread] = sums[k];
  sync_block();
  for (int left = t.height; left > 1;) {
    const int half = (left + 1) / 2;
    if (p.y + half < left) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
        sums[k] += shared[k * kRowThreads + thread + half * t.width];
        shared[k * kRowThreads + thread] = sums[k];
      }
    }
    left = half;
    sync_block();
  }
}

// Vectors where every row of every operand starts on 16 bytes.
template <typename T>
[[nodiscard]] bool can_use_vectors(std::initializer_list<const void*> rows,
                                   std::initializer_list<const void*> vectors,
                                   std::int64_t channels) {
  for (const void* p : rows) {
    if (!is_aligned(p, channels * static_cast<std::int64_t>(sizeof(T)))) return false;
  }
  for (const void* p : vectors) {
    if (!is_aligned(p)) return false;
  }
  return true;
}

// V values per channel, from a vector of the whole tensor.
template <int V, typename C>
__device__ __forceinline__ void load_channels(const C* from, C (&to)[V]) {
  constexpr int kStep = V * sizeof(C) <= 16 ? V : 16 / sizeof(C);
#pragma unroll
  for (int i = 0; i < V; i += kStep) {
    const auto part = load_vector<kStep>(from + i);
#pragma unroll
    for (int j = 0; j < kStep; ++j) to[i + j] = part[j];
  }
}

}  // namespace akimbo::kernels::device
