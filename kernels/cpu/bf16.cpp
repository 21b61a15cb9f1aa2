#include "kernels/cpu/bf16.h"

#include <algorithm>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kLanes = 16;

}  // namespace

// Panels of equal width: 48 columns are one of three vectors, 96 two of three.
Bf16Tile bf16_tile(std::int64_t columns) {
  const std::int64_t vectors = std::max<std::int64_t>(1, divide_up(columns, kLanes));
  const std::int64_t width = divide_up(vectors, divide_up(vectors, 4));
  return {width == 1 ? kMostBf16Rows : 24 / width, width * kLanes};
}

std::int64_t bf16_packed_numel(std::int64_t k, std::int64_t n) {
  const std::int64_t panel = bf16_tile(n).columns;
  return k * divide_up(n, panel) * panel;
}

void bf16_pack(const GemmSource<float>& source, std::int64_t panel_stride, BFloat16* packed) {
  const std::int64_t panel = bf16_tile(source.columns).columns;
  parallel_for(divide_up(source.columns, panel), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin * panel; n < end * panel; ++n) {
      BFloat16* to = packed + n / panel * panel_stride + n % panel * 2;
      for (std::int64_t tap = 0; tap < source.taps; ++tap) {
        const float* from = source.data + source.tap_offset[tap] + n * source.n_stride;
        for (std::int64_t c = 0; c < source.channels; ++c) {
          const std::int64_t row = tap * source.channels + c;
          to[row / 2 * panel * 2 + row % 2] =
              BFloat16(n < source.columns ? from[c * source.c_stride] : 0.0F);
        }
      }
    }
  });
}

#if defined(__x86_64__)

#define AKIMBO_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define AKIMBO_BF16_INLINE AKIMBO_BF16 __attribute__((always_inline)) inline

namespace {

using V = __m512;

// Where one tile of R rows and W vectors goes.
struct TileOutput {
  float* const* y;         // [R]
  std::int64_t offset;     // of the tile in each row of y
  const __mmask16* exist;  // columns of each vector; read in the last panel only
  const float* scale;      // of the tile's columns; or null
  const float* shift;
  const float* residual;  // laid out like y, from y_origin on; or null
  const float* y_origin;
  bool relu;
};

template <int W, bool kWhole>
AKIMBO_BF16_INLINE V load(const float* from, int i, const TileOutput& out) {
  from += i % W * kLanes;
  if constexpr (kWhole) return _mm512_loadu_ps(from);
  return _mm512_maskz_loadu_ps(out.exist[i % W], from);
}

template <int R, int W, bool kWhole>
AKIMBO_BF16_INLINE void finish_tile(V* sum, const TileOutput& out) {
  if (out.scale != nullptr) {
#pragma GCC unroll 24
    for (int i = 0; i < R * W; ++i) {
      sum[i] = _mm512_mul_ps(sum[i], load<W, kWhole>(out.scale, i, out));
    }
  }
  if (out.shift != nullptr) {
#pragma GCC unroll 24
    for (int i = 0; i < R * W; ++i) {
      sum[i] = _mm512_add_ps(sum[i], load<W, kWhole>(out.shift, i, out));
    }
  }
  if (out.residual != nullptr) {
#pragma GCC unroll 24
    for (int i = 0; i < R * W; ++i) {
      const float* from = out.residual + (out.y[i / W] - out.y_origin) + out.offset;
      sum[i] = _mm512_add_ps(sum[i], load<W, kWhole>(from, i, out));
    }
  }
  if (out.relu) {  // by comparison, so that NaN stays NaN
    const V zero = _mm512_setzero_ps();
#pragma GCC unroll 24
    for (int i = 0; i < R * W; ++i) {
      sum[i] = _mm512_mask_mov_ps(sum[i], _mm512_cmp_ps_mask(sum[i], zero, _CMP_LT_OQ), zero);
    }
  }
}

// The sum of all taps in one go: its rounding errors are far below those of the factors.
template <int R, int W, bool kWhole>
AKIMBO_BF16 __attribute__((noinline)) void tile_kernel(const BFloat16* const* a,
                                                       std::int64_t a_offset, std::int64_t taps,
                                                       std::int64_t pairs, const BFloat16* b,
                                                       const TileOutput& out) {
  V sum[R * W];
#pragma GCC unroll 24
  for (int i = 0; i < R * W; ++i) sum[i] = _mm512_setzero_ps();
  for (std::int64_t tap = 0; tap < taps; ++tap, a += R) {
    const BFloat16* row[R];
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) row[i] = a[i] + a_offset;
    for (std::int64_t pair = 0; pair < pairs; ++pair, b += W * kLanes * 2) {
      __m512bh columns[W];
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) {
        columns[w] = (__m512bh)_mm512_loadu_si512(b + w * kLanes * 2);
      }
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i) {
        int both;
        __builtin_memcpy(&both, row[i] + 2 * pair, sizeof both);
        const auto value = (__m512bh)_mm512_set1_epi32(both);
#pragma GCC unroll 4
        for (int w = 0; w < W; ++w) {
          sum[i * W + w] = _mm512_dpbf16_ps(sum[i * W + w], value, columns[w]);
        }
      }
    }
  }
  finish_tile<R, W, kWhole>(sum, out);
#pragma GCC unroll 24
  for (int i = 0; i < R * W; ++i) {
    float* to = out.y[i / W] + out.offset + i % W * kLanes;
    if constexpr (kWhole) {
      _mm512_storeu_ps(to, sum[i]);
    } else {
      _mm512_mask_storeu_ps(to, out.exist[i % W], sum[i]);
    }
  }
}

using TileKernel = void(const BFloat16* const*, std::int64_t, std::int64_t, std::int64_t,
                        const BFloat16*, const TileOutput&);
template <bool kWhole>
TileKernel* tile_kernel_of(std::int64_t vectors) {
  constexpr TileKernel* kKernels[] = {tile_kernel<12, 1, kWhole>, tile_kernel<12, 2, kWhole>,
                                      tile_kernel<8, 3, kWhole>, tile_kernel<6, 4, kWhole>};
  return kKernels[vectors - 1];
}

}  // namespace

bool bf16_available() { return __builtin_cpu_supports("avx512bf16") != 0; }

AKIMBO_BF16 void bf16_round(const float* from, std::int64_t count, BFloat16* to) {
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const __m512bh rounded =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + kLanes), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(to + i, (__m512i)rounded);
  }
  for (; i < count; i += kLanes) {
    const auto mask = static_cast<__mmask16>((1U << std::min(kLanes, count - i)) - 1);
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i));
    _mm256_mask_storeu_epi16(to + i, mask, (__m256i)rounded);
  }
}

void bf16_block(const Bf16Block& block) {
  const Bf16Tile tile = bf16_tile(block.columns);
  const std::int64_t k = block.taps * block.channels, vectors = tile.columns / kLanes;
  const GemmEpilogue<float>& e = block.epilogue;
  for (std::int64_t n = block.column_begin; n < block.column_end; n += tile.columns) {
    const bool whole = n + tile.columns <= block.columns;
    __mmask16 exist[4];
    for (std::int64_t w = 0; w < vectors; ++w) {
      const auto count = std::clamp<std::int64_t>(block.columns - n - w * kLanes, 0, kLanes);
      exist[w] = static_cast<__mmask16>((1U << count) - 1);
    }
    TileOutput out{.y = block.y,
                   .offset = block.y_offset + n,
                   .exist = exist,
                   .scale = e.scale == nullptr ? nullptr : e.scale + n,
                   .shift = e.shift == nullptr ? nullptr : e.shift + n,
                   .residual = e.residual,
                   .y_origin = e.y_origin,
                   .relu = e.relu};
    TileKernel* kernel = whole ? tile_kernel_of<true>(vectors) : tile_kernel_of<false>(vectors);
    const BFloat16* const* a = block.a;
    for (std::int64_t row = 0; row < block.rows; row += tile.rows) {
      kernel(a, block.a_offset, block.taps, block.channels / 2, block.b + n * k, out);
      a += block.taps * tile.rows;
      out.y += tile.rows;
    }
  }
}

namespace {

template <int M, int R>
AKIMBO_BF16_INLINE void input_line(const V* d, V* t) {
  if constexpr (M == 4) {
    // With a = sqrt(1/2) and b = sqrt(2), b = 2 a; see conv_winograd_lines-inl.h.
    const V a = _mm512_set1_ps(0.70710678118654752440F), c = _mm512_set1_ps(2.5F);
    const V two = _mm512_set1_ps(2), half = _mm512_set1_ps(0.5F);
    const V p = _mm512_mul_ps(a, d[1]), q = _mm512_mul_ps(a, d[3]);
    const V odd_a = _mm512_fnmadd_ps(two, p, q), odd_b = _mm512_fmsub_ps(two, q, p);
    const V even_a = _mm512_fnmadd_ps(two, d[2], d[4]);
    const V even_b = _mm512_fnmadd_ps(half, d[2], d[4]);
    t[0] = _mm512_fnmadd_ps(c, d[2], _mm512_add_ps(d[0], d[4]));
    t[1] = _mm512_add_ps(even_a, odd_a);
    t[2] = _mm512_sub_ps(even_a, odd_a);
    t[3] = _mm512_add_ps(even_b, odd_b);
    t[4] = _mm512_sub_ps(even_b, odd_b);
    t[5] = _mm512_fnmadd_ps(c, d[3], _mm512_add_ps(d[1], d[5]));
  } else if constexpr (R == 3) {
    t[0] = _mm512_sub_ps(d[0], d[2]);
    t[1] = _mm512_add_ps(d[1], d[2]);
    t[2] = _mm512_sub_ps(d[2], d[1]);
    t[3] = _mm512_sub_ps(d[1], d[3]);
  } else {
    t[0] = _mm512_sub_ps(d[0], d[1]);
    t[1] = d[1];
    t[2] = _mm512_sub_ps(d[2], d[1]);
  }
}

template <int M, int R>
AKIMBO_BF16 void input_tile(const float* const* pixels, std::int64_t channels, BFloat16* v,
                            std::int64_t stride) {
  constexpr int P = M + R - 1;
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    V t[P][P];  // columns transformed: t[column][point]
#pragma GCC unroll 6
    for (int j = 0; j < P; ++j) {
      V column[P];
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) column[i] = _mm512_loadu_ps(pixels[i * P + j] + c);
      input_line<M, R>(column, t[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < P; ++i) {
      V row[P], out[P];
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      input_line<M, R>(row, out);
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(v + (i * P + j) * stride + c),
                            (__m256i)_mm512_cvtneps_pbh(out[j]));
      }
    }
  }
}

}  // namespace

void bf16_winograd_input(const WinogradForm& form, const float* const* pixels,
                         std::int64_t channels, BFloat16* v, std::int64_t stride) {
  if (form.outputs == 4) return input_tile<4, 3>(pixels, channels, v, stride);
  form.taps == 3 ? input_tile<2, 3>(pixels, channels, v, stride)
                 : input_tile<2, 2>(pixels, channels, v, stride);
}

#else

// Never called.
bool bf16_available() { return false; }
void bf16_round(const float*, std::int64_t, BFloat16*) {}
void bf16_block(const Bf16Block&) {}
void bf16_winograd_input(const WinogradForm&, const float* const*, std::int64_t, BFloat16*,
                         std::int64_t) {}

#endif

}  // namespace akimbo::kernels::cpu
