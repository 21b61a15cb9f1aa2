// SIMD code of the blocked product, compiled once for each instruction set and chosen at run time.
#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <utility>
#include <vector>

// AVX-512, AVX2 with FMA, SSE4 and plain code: the ones between differ in nothing used here.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX3 || !HWY_ARCH_X86
constexpr int kPanelVectors = 4;  // 32 registers
#else
constexpr int kPanelVectors = 2;  // 16 registers
#endif
constexpr int kRows = static_cast<int>(kGemmRows);

#define AKIMBO_LAMBDA HWY_ATTR __attribute__((always_inline))

// Calls f with the constants 0 .. N-1, so that arrays of vectors become registers.
template <int N, typename F>
HWY_INLINE HWY_ATTR void unroll(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) AKIMBO_LAMBDA {
    (f(std::integral_constant<int, I>()), ...);
  }
  (std::make_integer_sequence<int, N>());
}

// Where one tile of at most kRows x (vectors * lanes) goes.
template <typename T>
struct TileOutput {
  T* const* y;           // [rows], at column 0 of the matrix
  std::int64_t rows;     // 1 .. kRows
  std::int64_t column;   // first column of the tile
  std::int64_t columns;  // columns of the tile that exist
  bool add;              // to what is in y
  bool last;             // the sum is finished: apply the epilogue
  const T* scale;        // of the tile's columns, whole vectors readable; or null
  const T* shift;
  const T* residual;  // laid out like y, from y_origin on; or null
  const T* y_origin;
  bool relu;
};

// Taps [tap, tap + taps) of a sum with channels [first, first + depth) of each.
struct Part {
  std::int64_t tap, taps, first, depth;
};

constexpr std::int64_t kLineBytes = 64;

// A tile's rows of y, and of the residual, are short pieces that the processor does not foresee.
template <int V, class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR void fetch_output(D d, const TileOutput<T>& out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  unroll<kRows>([&](auto i) AKIMBO_LAMBDA {
    const T* to = out.y[i] + out.column;
    unroll<V>([&](auto v) AKIMBO_LAMBDA { __builtin_prefetch(to + v * lanes, 1); });
    if (out.last && out.residual != nullptr) {
      const T* from = out.residual + (to - out.y_origin);
      unroll<V>([&](auto v) AKIMBO_LAMBDA { __builtin_prefetch(from + v * lanes); });
    }
  });
}

// The epilogue of a whole tile, in registers. One branch for each step, not for each vector.
template <int V, class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR void finish_tile(D d, hn::Vec<D>* sum, const TileOutput<T>& out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (out.scale != nullptr) {
    unroll<kRows * V>([&](auto i) AKIMBO_LAMBDA {
      sum[i] = hn::Mul(sum[i], hn::Load(d, out.scale + i % V * lanes));
    });
  }
  if (out.shift != nullptr) {
    unroll<kRows * V>([&](auto i) AKIMBO_LAMBDA {
      sum[i] = hn::Add(sum[i], hn::Load(d, out.shift + i % V * lanes));
    });
  }
  if (out.residual != nullptr) {
    unroll<kRows>([&](auto i) AKIMBO_LAMBDA {
      const T* from = out.residual + (out.y[i] - out.y_origin) + out.column;
      unroll<V>([&](auto v) AKIMBO_LAMBDA {
        sum[i * V + v] = hn::Add(sum[i * V + v], hn::LoadU(d, from + v * lanes));
      });
    });
  }
  if (out.relu) {  // by comparison, so that NaN stays NaN
    const auto zero = hn::Zero(d);
    unroll<kRows * V>(
        [&](auto i) AKIMBO_LAMBDA { sum[i] = hn::IfThenElse(hn::Lt(sum[i], zero), zero, sum[i]); });
  }
}

// The same for a tile that sticks out: its sums are in `tile` [kRows][width].
template <typename T>
HWY_NOINLINE void finish_partial_tile(const T* tile, std::int64_t width, const TileOutput<T>& out) {
  for (std::int64_t i = 0; i < out.rows; ++i) {
    T* to = out.y[i] + out.column;
    for (std::int64_t n = 0; n < out.columns; ++n) {
      T sum = tile[i * width + n];
      if (out.add) sum += to[n];
      if (out.last) {
        if (out.scale != nullptr) sum *= out.scale[n];
        if (out.shift != nullptr) sum += out.shift[n];
        if (out.residual != nullptr) sum += out.residual[to + n - out.y_origin];
        if (out.relu && sum < T(0)) sum = T(0);
      }
      to[n] = sum;
    }
  }
}

// a: pointers [taps][kRows]; the sum runs over channels [first, first + depth) of each tap. b:
// [taps * depth][V * lanes]. Row pointers and accumulators stay in registers. A line of each of the
// next tile's rows, if there is one, is fetched with every line of this tile's.
template <int V, class D, typename T = hn::TFromD<D>>
HWY_NOINLINE HWY_ATTR void tile_kernel(D d, const T* const* HWY_RESTRICT a, const Part& part,
                                       std::int64_t step, const T* HWY_RESTRICT b,
                                       const T* const* next_a, const TileOutput<T>& out) {
  using Vector = hn::Vec<D>;
  constexpr auto kLine = static_cast<std::int64_t>(kLineBytes / sizeof(T));
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t depth = part.depth;
  Vector sum[kRows * V];
  unroll<kRows * V>([&](auto i) AKIMBO_LAMBDA { sum[i] = hn::Zero(d); });
  fetch_output<V>(d, out);
  for (std::int64_t tap = 0; tap < part.taps; ++tap, a += kRows) {
    const T* HWY_RESTRICT row[kRows];
    unroll<kRows>([&](auto i) AKIMBO_LAMBDA { row[i] = a[i] + part.first * step; });
    std::int64_t at = 0;
    for (std::int64_t begin = 0; begin < depth; begin += kLine) {
      if (next_a != nullptr) {
        unroll<kRows>([&](auto i) AKIMBO_LAMBDA {
          __builtin_prefetch(next_a[tap * kRows + i] + part.first + begin);
        });
      }
      const std::int64_t end = std::min(depth, begin + kLine);
      for (std::int64_t c = begin; c < end; ++c, at += step, b += V * lanes) {
        Vector columns[V];
        unroll<V>([&](auto v) AKIMBO_LAMBDA { columns[v] = hn::Load(d, b + v * lanes); });
        unroll<kRows>([&](auto i) AKIMBO_LAMBDA {
          const Vector value = hn::Set(d, row[i][at]);
          unroll<V>([&](auto v) AKIMBO_LAMBDA {
            sum[i * V + v] = hn::MulAdd(value, columns[v], sum[i * V + v]);
          });
        });
      }
    }
  }
  if (out.add) {
    unroll<kRows * V>([&](auto i) AKIMBO_LAMBDA {
      sum[i] = hn::Add(sum[i], hn::LoadU(d, out.y[i / V] + out.column + i % V * lanes));
    });
  }
  if (out.last) finish_tile<V>(d, sum, out);
  unroll<kRows * V>([&](auto i) AKIMBO_LAMBDA {
    hn::StoreU(sum[i], d, out.y[i / V] + out.column + i % V * lanes);
  });
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR void whole_tile(D d, int vectors, const T* const* a, const Part& part,
                                    std::int64_t step, const T* b, const T* const* next_a,
                                    const TileOutput<T>& out) {
  if constexpr (kPanelVectors == 4) {
    if (vectors == 4) return tile_kernel<4>(d, a, part, step, b, next_a, out);
    if (vectors == 3) return tile_kernel<3>(d, a, part, step, b, next_a, out);
  }
  if (vectors == 2) return tile_kernel<2>(d, a, part, step, b, next_a, out);
  tile_kernel<1>(d, a, part, step, b, next_a, out);
}

template <class D, typename T = hn::TFromD<D>>
HWY_ATTR void partial_tile(D d, int vectors, const T* const* a, const Part& part, std::int64_t step,
                           const T* b, const T* const* next_a, const TileOutput<T>& out) {
  const std::int64_t width = vectors * static_cast<std::int64_t>(hn::Lanes(d));
  HWY_ALIGN T buffer[kRows * kPanelVectors * hn::MaxLanes(d)];
  T* rows[kRows];
  for (int i = 0; i < kRows; ++i) rows[i] = buffer + i * width;
  TileOutput<T> whole{};
  whole.y = rows;
  whole_tile(d, vectors, a, part, step, b, next_a, whole);
  finish_partial_tile(buffer, width, out);
}

// Whole taps together, or one tap's channels in equal shares. A sum over nothing has one empty
// part.
template <typename T>
std::vector<Part> parts_of(const GemmBlock<T>& block) {
  if (block.taps * block.channels == 0) return {{0, 0, 0, 0}};
  const std::int64_t most = block.part_depth;
  const std::int64_t shares = (block.channels + most - 1) / most;
  const std::int64_t depth = (block.channels + shares - 1) / shares;
  const std::int64_t taps = shares > 1 ? 1 : std::max<std::int64_t>(1, most / block.channels);
  std::vector<Part> parts;
  for (std::int64_t tap = 0; tap < block.taps; tap += taps) {
    for (std::int64_t first = 0; first < block.channels; first += depth) {
      parts.push_back(
          {tap, std::min(taps, block.taps - tap), first, std::min(depth, block.channels - first)});
    }
  }
  return parts;
}

// One panel of columns for all rows of the block. Several parts of the sum at a time, as many as
// B's share stays in the second-level cache, go over all rows; a tile takes them one after the
// other, while its part of y is at hand.
template <class D, typename T = hn::TFromD<D>>
HWY_ATTR void panel_product(D d, const GemmBlock<T>& block, const std::vector<Part>& parts,
                            int vectors, TileOutput<T> out) {
  constexpr std::int64_t kGroupDepth = 512;
  const std::int64_t width = vectors * static_cast<std::int64_t>(hn::Lanes(d));
  const T* panel = block.b + out.column * block.taps * block.channels;
  const std::int64_t tiles = (block.rows + kRows - 1) / kRows;
  std::size_t begin = 0;
  while (begin < parts.size()) {
    std::size_t end = begin;
    std::int64_t depth = 0;
    do {
      depth += parts[end].taps * parts[end].depth;
      ++end;
    } while (end < parts.size() && depth + parts[end].taps * parts[end].depth <= kGroupDepth);
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      out.y = block.y + tile * kRows;
      out.rows = std::min<std::int64_t>(kRows, block.rows - tile * kRows);
      for (std::size_t i = begin; i < end; ++i) {
        const Part& part = parts[i];
        const T* b = panel + (part.tap * block.channels + part.first) * width;
        const T* const* a = block.a + tile * kRows * block.taps + part.tap * kRows;
        const bool contiguous = block.a_step == 1 && tile + 1 < tiles;
        const T* const* next_a = contiguous ? a + kRows * block.taps : nullptr;
        out.add = block.accumulate || i > 0;
        out.last = i + 1 == parts.size();
        if (out.rows == kRows && out.columns == width) {
          whole_tile(d, vectors, a, part, block.a_step, b, next_a, out);
        } else {
          partial_tile(d, vectors, a, part, block.a_step, b, next_a, out);
        }
      }
    }
    begin = end;
  }
}

// Copies the panel's part of a per-column operand to where whole vectors can be read.
template <typename T>
const T* padded(const T* from, std::int64_t column, std::int64_t count, T* buffer) {
  if (from == nullptr) return nullptr;
  std::copy_n(from + column, count, buffer);
  return buffer;
}

template <typename T>
HWY_ATTR void gemm_block_any(const GemmBlock<T>& block) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t panel = kPanelVectors * lanes;
  HWY_ALIGN T scale[kPanelVectors * hn::MaxLanes(d)] = {};
  HWY_ALIGN T shift[kPanelVectors * hn::MaxLanes(d)] = {};
  const std::vector<Part> parts = parts_of(block);
  for (std::int64_t column = block.column_begin; column < block.column_end; column += panel) {
    const std::int64_t columns = std::min(panel, block.column_end - column);
    TileOutput<T> out{};
    out.column = column;
    out.columns = columns;
    out.residual = block.epilogue.residual;
    out.y_origin = block.epilogue.y_origin;
    out.relu = block.epilogue.relu;
    out.scale = padded(block.epilogue.scale, column, columns, scale);
    out.shift = padded(block.epilogue.shift, column, columns, shift);
    panel_product(d, block, parts, static_cast<int>((columns + lanes - 1) / lanes), out);
  }
}

#if HWY_TARGET == HWY_SCALAR
constexpr int kSquare = 0;  // no vectors to shuffle
template <typename T>
void transpose_square(const T*, std::int64_t, T*, std::int64_t) {}
#else
constexpr int kSquare = 16;       // bytes: a square of one 128-bit vector's elements per side
template <typename T>
HWY_INLINE HWY_ATTR void transpose_square(const T* from, std::int64_t stride, T* to,
                                          std::int64_t width) {
  const hn::FixedTag<T, 16 / sizeof(T)> d;
  if constexpr (sizeof(T) == 8) {
    const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + stride);
    hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
    hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + width);
  } else {
    const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + stride);
    const auto r2 = hn::LoadU(d, from + 2 * stride), r3 = hn::LoadU(d, from + 3 * stride);
    const auto low02 = hn::InterleaveLower(d, r0, r2), low13 = hn::InterleaveLower(d, r1, r3);
    const auto high02 = hn::InterleaveUpper(d, r0, r2), high13 = hn::InterleaveUpper(d, r1, r3);
    hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to);
    hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to + width);
    hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to + 2 * width);
    hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to + 3 * width);
  }
}
#endif

// to[c][n] = from[n][c] for c < depth, n < count; zeros up to width. Strips of rows of `to` that
// the first-level cache holds.
template <typename T>
HWY_ATTR void transpose_any(const T* from, std::int64_t stride, std::int64_t count,
                            std::int64_t depth, std::int64_t width, T* to) {
  constexpr std::int64_t kStrip = 64, kSide = kSquare / sizeof(T);
  for (std::int64_t strip = 0; strip < depth; strip += kStrip) {
    const std::int64_t end = std::min(depth, strip + kStrip);
    std::int64_t n = 0;
    for (; kSide > 0 && n + kSide <= count; n += kSide) {
      std::int64_t c = strip;
      for (; c + kSide <= end; c += kSide) {
        transpose_square(from + n * stride + c, stride, to + c * width + n, width);
      }
      for (; c < end; ++c) {
        for (std::int64_t i = n; i < n + kSide; ++i) to[c * width + i] = from[i * stride + c];
      }
    }
    for (; n < width; ++n) {
      for (std::int64_t c = strip; c < end; ++c) {
        to[c * width + n] = n < count ? from[n * stride + c] : T(0);
      }
    }
  }
}
void transpose_f32(const float* from, std::int64_t stride, std::int64_t count, std::int64_t depth,
                   std::int64_t width, float* to) {
  transpose_any(from, stride, count, depth, width, to);
}
void transpose_f64(const double* from, std::int64_t stride, std::int64_t count, std::int64_t depth,
                   std::int64_t width, double* to) {
  transpose_any(from, stride, count, depth, width, to);
}

void gemm_block_f32(const GemmBlock<float>& block) { gemm_block_any(block); }
void gemm_block_f64(const GemmBlock<double>& block) { gemm_block_any(block); }

template <typename T>
HWY_ATTR GemmWidths widths_any() {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  return {kPanelVectors * lanes, lanes};
}
GemmWidths widths_f32() { return widths_any<float>(); }
GemmWidths widths_f64() { return widths_any<double>(); }

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(gemm_block_f32);
HWY_EXPORT(gemm_block_f64);
HWY_EXPORT(widths_f32);
HWY_EXPORT(widths_f64);
HWY_EXPORT(transpose_f32);
HWY_EXPORT(transpose_f64);

template <>
void gemm_block<float>(const GemmBlock<float>& block) {
  HWY_DYNAMIC_DISPATCH(gemm_block_f32)(block);
}
template <>
void gemm_block<double>(const GemmBlock<double>& block) {
  HWY_DYNAMIC_DISPATCH(gemm_block_f64)(block);
}
template <>
GemmWidths gemm_widths<float>() {
  return HWY_DYNAMIC_DISPATCH(widths_f32)();
}
template <>
GemmWidths gemm_widths<double>() {
  return HWY_DYNAMIC_DISPATCH(widths_f64)();
}

template <typename T>
std::int64_t gemm_packed_numel(std::int64_t k, std::int64_t n) {
  const std::int64_t vector = gemm_widths<T>().vector;
  return k * ((n + vector - 1) / vector * vector);
}

namespace {

// Columns [begin, begin + count) of channels [c_begin, c_end) of one tap into [channel][width].
template <typename T>
void pack_part(const GemmSource<T>& s, std::int64_t tap, std::int64_t c_begin, std::int64_t c_end,
               std::int64_t begin, std::int64_t count, std::int64_t width, T* to) {
  const T* from = s.data + s.tap_offset[tap] + begin * s.n_stride;
  if (s.n_stride == 1) {
    for (std::int64_t c = c_begin; c < c_end; ++c, to += width) {
      std::copy_n(from + c * s.c_stride, count, to);
      std::fill(to + count, to + width, T(0));
    }
    return;
  }
  const T* corner = from + c_begin;  // the channels of one column lie side by side
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(transpose_f32)(corner, s.n_stride, count, c_end - c_begin, width, to);
  } else {
    HWY_DYNAMIC_DISPATCH(transpose_f64)(corner, s.n_stride, count, c_end - c_begin, width, to);
  }
}

}  // namespace

template <typename T>
void gemm_pack(const GemmSource<T>& s, T* packed) {
  constexpr std::int64_t kPartChannels = 256;
  const GemmWidths widths = gemm_widths<T>();
  const std::int64_t panels = (s.columns + widths.panel - 1) / widths.panel;
  const std::int64_t parts = (s.channels + kPartChannels - 1) / kPartChannels;
  const std::int64_t k = s.taps * s.channels;
  const std::int64_t grain = (1 << 15) / (widths.panel * std::min(s.channels, kPartChannels) + 1);
  parallel_for(panels * s.taps * parts, grain + 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t panel = i / (s.taps * parts), tap = i / parts % s.taps;
      const std::int64_t c_begin = i % parts * kPartChannels, begin = panel * widths.panel;
      const std::int64_t c_end = std::min(s.channels, c_begin + kPartChannels);
      const std::int64_t count = std::min(widths.panel, s.columns - begin);
      const std::int64_t width = (count + widths.vector - 1) / widths.vector * widths.vector;
      pack_part(s, tap, c_begin, c_end, begin, count, width,
                packed + begin * k + (tap * s.channels + c_begin) * width);
    }
  });
}

template std::int64_t gemm_packed_numel<float>(std::int64_t, std::int64_t);
template std::int64_t gemm_packed_numel<double>(std::int64_t, std::int64_t);
template void gemm_pack<float>(const GemmSource<float>&, float*);
template void gemm_pack<double>(const GemmSource<double>&, double*);

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
