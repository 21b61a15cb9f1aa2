// The blocked product that convolution and matmul on the CPU are made of:
//   y(row, n) (+)= sum over taps t and channels c: a(row, t)[c] * b(t, c, n)
// The rows of A are pointers, one for each output row and tap, so a convolution reads its NHWC
// input in place (a pointer to zeros stands for padding) and no column matrix is ever built. B is
// packed in panels. SIMD code is chosen for the machine at run time (gemm.cpp).
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// Rows of A that the innermost kernel works on at once. With four vectors of B that makes 24
// accumulators of the 32 registers of AVX-512; with two vectors 12 of the 16 of AVX2 and SSE.
inline constexpr std::int64_t kGemmRows = 6;

// Columns of one panel of packed B, and of one vector, on this machine.
struct GemmWidths {
  std::int64_t panel;
  std::int64_t vector;
};
template <typename T>
[[nodiscard]] GemmWidths gemm_widths();

// B [K][N] is packed as panels of `panel` columns, each [K][panel]; the last panel is cut down to
// whole vectors, [K][v], and filled with zeros. The panel of column n0 starts at n0 * K.
template <typename T>
[[nodiscard]] std::int64_t gemm_packed_numel(std::int64_t k, std::int64_t n);

// B as it lies in memory: element (t, c, n) at data[tap_offset[t] + c * c_stride + n * n_stride];
// one of the strides is 1.
template <typename T>
struct GemmSource {
  const T* data;
  const std::int64_t* tap_offset;
  std::int64_t taps, channels, columns;
  std::int64_t c_stride, n_stride;
};

// Packs; parallel over panels.
template <typename T>
void gemm_pack(const GemmSource<T>& source, T* packed);

// What happens to a finished sum: y = relu(sum * scale[n] + shift[n] + residual).
template <typename T>
struct GemmEpilogue {
  const T* scale = nullptr;
  const T* shift = nullptr;
  const T* residual = nullptr;  // laid out like y
  const T* y_origin = nullptr;  // y that corresponds to residual[0]
  bool relu = false;
};

// The part of a sum that is taken in one go; parts are added up afterwards. B's part, 128 x 64
// floats, is 32 KiB. Longer parts are 1 to 2 % faster (512: 93 -> 95 % of peak), but rounding
// errors grow with their root: 3x3 layers of 64 to 256 channels are off by 2.0e-7 RMS with
// 128, 3.9e-7 with 512.
inline constexpr std::int64_t kGemmPartDepth = 128;

template <typename T>
struct GemmBlock {
  const T* const* a = nullptr;  // [tiles][taps][kGemmRows]; rows past the end: any valid row
  std::int64_t a_step = 1;      // from channel to channel
  std::int64_t rows = 0, taps = 0, channels = 0;
  std::int64_t part_depth = kGemmPartDepth;
  const T* b = nullptr;           // packed, from panel 0 on
  T* const* y = nullptr;          // [rows] start of each output row, column 0
  std::int64_t column_begin = 0;  // a multiple of the panel width
  std::int64_t column_end = 0;    // likewise, or the number of columns
  bool accumulate = false;        // add to y; for blocks without epilogue
  GemmEpilogue<T> epilogue;
};

// One thread's work; the order of the sums depends on the block alone.
template <typename T>
void gemm_block(const GemmBlock<T>& block);

}  // namespace akimbo::kernels::cpu
