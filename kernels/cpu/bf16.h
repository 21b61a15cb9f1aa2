// Products of bf16 factors summed in f32, and what prepares their operands: code for CPUs with
// AVX512-BF16, whose one instruction multiplies 32 pairs, twice as many as f32 has. Written with
// intrinsics, because the SIMD library of Debian 12 does not know the instructions. Ask
// bf16_available() of kernels/conv.h before any of the other functions.
#pragma once

#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/conv.h"
#include "kernels/cpu/conv_winograd_simd.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {

// to[i] = from[i], rounded to nearest even.
void bf16_round(const float* from, std::int64_t count, BFloat16* to);

// Rows and columns of the tile that the innermost kernel makes of a product with so many columns:
// 24 accumulators in the 32 registers, whatever their form.
struct Bf16Tile {
  std::int64_t rows, columns;
};
inline constexpr std::int64_t kMostBf16Rows = 12;
[[nodiscard]] Bf16Tile bf16_tile(std::int64_t columns);

// B [K][N] with even K is packed as panels of bf16_tile(N).columns columns, each [K/2][columns][2];
// the last is filled with zeros.
[[nodiscard]] std::int64_t bf16_packed_numel(std::int64_t k, std::int64_t n);
// Packs, from panel to panel `panel_stride` elements apart: columns * K, or more where the panels
// of several products take turns. Parallel over panels.
void bf16_pack(const GemmSource<float>& source, std::int64_t panel_stride, BFloat16* packed);

// y(row, n) = sum over taps t and channels c: a(row, t)[c] * b(t, c, n), as GemmBlock.
struct Bf16Block {
  // [tiles][taps][tile rows]; rows past the end repeat the last one, so that they write what it
  // writes.
  const BFloat16* const* a = nullptr;
  std::int64_t a_offset = 0;  // of all rows
  std::int64_t rows = 0, taps = 0, channels = 0;
  const BFloat16* b = nullptr;    // packed, from panel 0 on, without gaps
  float* const* y = nullptr;      // [tiles][tile rows]: column 0 of each output row
  std::int64_t y_offset = 0;      // of all rows
  std::int64_t columns = 0;       // of the whole product
  std::int64_t column_begin = 0;  // a multiple of the tile's columns
  std::int64_t column_end = 0;    // likewise, or the number of columns
  GemmEpilogue<float> epilogue;   // y_origin: of y without the offset
};

// One thread's work.
void bf16_block(const Bf16Block& block);

// winograd_input with rounded results, but for the form (4,2): point k of channel c goes to
// v[k * stride + c].
void bf16_winograd_input(const WinogradForm& form, const float* const* pixels,
                         std::int64_t channels, BFloat16* v, std::int64_t stride);

}  // namespace akimbo::kernels::cpu
