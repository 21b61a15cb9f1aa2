// See conv_stem.h. A row of the filter is one run of kw * C numbers, and what it meets is such a
// run of the patch; runs are padded to an even length, so that the pairs of the summed index that a
// fragment of mma.m16n8k16 holds in one register lie side by side in one 4-byte word of the patch.
#include "kernels/cuda/conv/conv_stem.h"

#include <algorithm>
#include <optional>

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_finish.cuh"
#include "kernels/cuda/fast_divisor.cuh"

namespace akimbo::kernels::cuda {
namespace {

using device::Finish;
using device::Vector;

// A warp takes one output row of 32 pixels and 64 channels.
constexpr int kTileRows = 4, kTileCols = 32, kTilePixels = kTileRows * kTileCols;
constexpr int kTileChannels = 64, kThreads = 128, kSumPitch = kTileChannels + 8;
// Blocks that share the tiles: each loads the filter once. A few per multiprocessor.
constexpr std::int64_t kMaxBlocks = 132 * 3;

struct Stem {
  int images, source_rows, source_row_numel;  // of one row: columns * channels
  int out_rows, out_cols, outputs;
  int stride, step, padding, start;   // step, start: stride and padding times channels
  int filter_rows, filter_row_numel;  // kh; kw * C
  int run, terms;                     // a filter row made even; all of them, a multiple of 16
  int patch_rows, patch_pitch;        // in elements
  int tiles_x, tiles_per_image, tiles;
  device::FastDivisor by_run;
  bool aligned;  // rows of y and residual allow 16-byte accesses
};

__device__ __forceinline__ int filter_pitch(const Stem& s) { return s.terms + 8; }

// [kTileChannels, filter_pitch]: rows of the filter, zeros between and behind the runs. Eight
// channels are eight odd multiples of 16 bytes apart: no bank conflicts.
template <typename T>
__device__ void load_filter(const Stem& s, const T* filter, int first_channel, T* shared) {
  const int pitch = filter_pitch(s);
  for (int i = device::thread_in_block(); i < kTileChannels * pitch; i += kThreads) {
    const int channel = first_channel + i / pitch, k = i % pitch;
    const int row = s.by_run.quotient(k), e = k - row * s.run;
    const bool inside = channel < s.outputs && row < s.filter_rows && e < s.filter_row_numel;
    shared[i] = inside ? filter[(static_cast<std::int64_t>(channel) * s.filter_rows + row) *
                                    s.filter_row_numel +
                                e]
                       : device::from_float<T>(0);
  }
}

template <typename T>
__device__ void load_patch(const Stem& s, const T* source, int image, int row0, int col0,
                           T* shared) {
  const int y0 = row0 * s.stride - s.padding, x0 = col0 * s.step - s.start;
  for (int i = device::thread_in_block(); i < s.patch_rows * s.patch_pitch; i += kThreads) {
    const int y = y0 + i / s.patch_pitch, x = x0 + i % s.patch_pitch;
    const bool inside = y >= 0 && y < s.source_rows && x >= 0 && x < s.source_row_numel;
    shared[i] =
        inside
            ? source[(static_cast<std::int64_t>(image) * s.source_rows + y) * s.source_row_numel +
                     x]
            : device::from_float<T>(0);
  }
}

// Two neighbouring elements at an even index.
template <typename T>
__device__ __forceinline__ std::uint32_t pair_at(const T* shared, int index) {
  return *reinterpret_cast<const std::uint32_t*>(shared + index);
}

// The warp's row of 32 pixels times 64 channels.
template <typename T>
__device__ void multiply_patch(const Stem& s, const T* patch, const T* filter,
                               float (&sums)[2][8][4]) {
  const int lane = device::lane_index(), row0 = device::warp_index() * s.stride;
  const int pitch = filter_pitch(s);
  for (int k0 = 0; k0 < s.terms; k0 += 16) {
    int at[2];              // in the patch, of both halves of k for pixel 0
    std::uint32_t mask[2];  // what lies behind a run is another pixel's, and may be NaN
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int k = k0 + lane % 4 * 2 + half * 8;
      const int row = s.by_run.quotient(k), e = k - row * s.run;
      const bool inside = row < s.filter_rows && e < s.filter_row_numel;
      at[half] = inside ? (row0 + row) * s.patch_pitch + e : 0;
      mask[half] = !inside ? 0u : e + 1 < s.filter_row_numel ? 0xffffffffu : 0xffffu;
    }
    std::uint32_t a[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const int pixel = i * 16 + lane / 4 + q % 2 * 8;
        a[i][q] = pair_at(patch, at[q / 2] + pixel * s.step) & mask[q / 2];
      }
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int from = (j * 8 + lane / 4) * pitch + k0 + lane % 4 * 2;
      const std::uint32_t b[2] = {pair_at(filter, from), pair_at(filter, from + 8)};
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if constexpr (std::is_same_v<T, BFloat16>) {
          device::mma_bf16(sums[i][j], a[i], b);
        } else {
          device::mma_f16(sums[i][j], a[i], b);
        }
      }
    }
  }
}

__device__ __forceinline__ void stage_sums(const float (&sums)[2][8][4], float* staged) {
  const int lane = device::lane_index(), pixel0 = device::warp_index() * kTileCols + lane / 4;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      float* at = staged + (pixel0 + i * 16) * kSumPitch + j * 8 + lane % 4 * 2;
      device::store_vector(at, Vector<float, 2>{sums[i][j][0], sums[i][j][1]});
      device::store_vector(at + 8 * kSumPitch, Vector<float, 2>{sums[i][j][2], sums[i][j][3]});
    }
  }
}

template <typename T, int kCount>
__device__ void write_pixels(const Stem& s, const Finish<T>& finish, int image, int row0, int col0,
                             int channel0, const float* staged, T* y) {
  constexpr int kPerPixel = kTileChannels / kCount;
  for (int i = device::thread_in_block(); i < kTilePixels * kPerPixel; i += kThreads) {
    const int pixel = i / kPerPixel, column = i % kPerPixel * kCount;
    const int row = row0 + pixel / kTileCols, col = col0 + pixel % kTileCols;
    if (row >= s.out_rows || col >= s.out_cols || channel0 + column >= s.outputs) continue;
    float values[kCount];
#pragma unroll
    for (int c = 0; c < kCount; ++c) values[c] = staged[pixel * kSumPitch + column + c];
    const std::int64_t index =
        ((static_cast<std::int64_t>(image) * s.out_rows + row) * s.out_cols + col) * s.outputs +
        channel0 + column;
    device::store_vector(y + index,
                         finish.template vector<kCount>(values, channel0 + column, index));
  }
}

// Grid: x = blocks that share the tiles, y = blocks of channels.
template <typename T>
__global__ __launch_bounds__(kThreads) void conv_stem_kernel(Stem s, const T* source,
                                                             const T* filter, Finish<T> finish,
                                                             T* y) {
  float* staged = device::dynamic_shared<float>();
  T* shared_filter = reinterpret_cast<T*>(staged + kTilePixels * kSumPitch);
  T* patch = shared_filter + kTileChannels * filter_pitch(s);
  const int channel0 = static_cast<int>(blockIdx.y) * kTileChannels;
  load_filter(s, filter, channel0, shared_filter);
  for (int tile = static_cast<int>(blockIdx.x); tile < s.tiles;
       tile += static_cast<int>(gridDim.x)) {
    const int image = tile / s.tiles_per_image, rest = tile % s.tiles_per_image;
    const int row0 = rest / s.tiles_x * kTileRows, col0 = rest % s.tiles_x * kTileCols;
    load_patch(s, source, image, row0, col0, patch);
    device::sync_block();
    float sums[2][8][4] = {};
    multiply_patch(s, patch, shared_filter, sums);
    stage_sums(sums, staged);
    device::sync_block();
    if (s.aligned) {
      write_pixels<T, 8>(s, finish, image, row0, col0, channel0, staged, y);
    } else {
      write_pixels<T, 1>(s, finish, image, row0, col0, channel0, staged, y);
    }
    // The next patch goes to memory that all have read; the next sums wait for its barrier.
  }
}

std::int64_t shared_bytes_of(const Stem& s) {
  return std::int64_t{kTilePixels} * kSumPitch * 4 + (std::int64_t{kTileChannels} * (s.terms + 8) +
                                                      std::int64_t{s.patch_rows} * s.patch_pitch) *
                                                         2;
}

// Two blocks per multiprocessor, and few enough patch rows to be read about once.
constexpr std::int64_t kMaxSharedBytes = 100 << 10;

Stem make_stem(const GatherTask& t) {
  const int channels = static_cast<int>(t.source.dim(3));
  const auto extent = [](ConstView v, int axis) { return static_cast<int>(v.dim(axis)); };
  const ConstView y = t.y;
  Stem s{.images = extent(y, 0),
         .source_rows = extent(t.source, 1),
         .source_row_numel = extent(t.source, 2) * channels,
         .out_rows = extent(y, 1),
         .out_cols = extent(y, 2),
         .outputs = extent(y, 3),
         .stride = static_cast<int>(t.params.stride),
         .step = static_cast<int>(t.params.stride) * channels,
         .padding = static_cast<int>(t.params.padding),
         .start = static_cast<int>(t.params.padding) * channels,
         .filter_rows = extent(t.filter, 1),
         .filter_row_numel = extent(t.filter, 2) * channels};
  s.run = (s.filter_row_numel + 1) / 2 * 2;
  s.terms = (s.filter_rows * s.run + 15) / 16 * 16;
  s.patch_rows = (kTileRows - 1) * s.stride + s.filter_rows;
  s.patch_pitch = (kTileCols - 1) * s.step + s.run;
  s.patch_pitch += s.patch_pitch % 2;
  s.tiles_x = (s.out_cols + kTileCols - 1) / kTileCols;
  s.tiles_per_image = s.tiles_x * ((s.out_rows + kTileRows - 1) / kTileRows);
  s.tiles = s.tiles_per_image * s.images;
  s.by_run = device::FastDivisor(s.run);
  s.aligned = device::is_aligned(t.y.pointer, std::int64_t{s.outputs} * 2) &&
              device::is_aligned(t.epilogue.residual.pointer);
  return s;
}

template <typename T>
void launch_stem(const Exec& exec, const GatherTask& t) {
  const Stem s = make_stem(t);
  const Finish<T> finish{t.epilogue.scale.data<float>(), t.epilogue.shift.data<float>(),
                         t.epilogue.residual.data<T>(), t.epilogue.relu};
  device::launch(exec, "conv_stem_kernel",
                 {.grid = {std::min<std::int64_t>(s.tiles, kMaxBlocks),
                           device::blocks_for(s.outputs, kTileChannels)},
                  .block = {kThreads},
                  .shared_bytes = static_cast<std::size_t>(shared_bytes_of(s))},
                 conv_stem_kernel<T>, s, t.source.data<T>(), t.filter.data<T>(), finish,
                 t.y.data<T>());
}

}  // namespace

bool stem_takes(const GatherTask& t) {
  const std::int64_t channels = t.source.dim(3);
  const bool shaped = (t.y.dtype == DType::bf16 || t.y.dtype == DType::f16) &&
                      t.direction == Direction::small_to_big &&
                      t.filter_order == Order::k_contiguous && t.params.groups == 1 &&
                      t.params.dilation == 1 && channels < 8 && t.filter.dim(1) <= 16 &&
                      t.filter.dim(2) > 1 && t.filter.dim(2) <= 16 && t.params.stride <= 4 &&
                      t.params.stride * channels % 2 == 0 && t.y.numel() > 0;
  return shaped && gather_fits(t.source.shape, t.filter.shape, plane_of(t.params), t.y.shape) &&
         shared_bytes_of(make_stem(t)) <= kMaxSharedBytes;
}

void run_stem(const Exec& exec, const GatherTask& t) {
  if (t.y.dtype == DType::bf16) {
    launch_stem<BFloat16>(exec, t);
  } else {
    launch_stem<Float16>(exec, t);
  }
}

}  // namespace akimbo::kernels::cuda
