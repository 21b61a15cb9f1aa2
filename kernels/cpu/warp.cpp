// The affine warp in three passes over pieces of a row: positions and weights (SIMD), gathering of
// the four neighbours (plain loads; the only pass that looks at the border), blending and output
// (SIMD, 16 bytes per pixel). Measured on one core of an AVX-512 machine: see bench/data.
#include "kernels/warp.h"

#include <cstring>

#include "kernels/common/parallel.h"
#include "kernels/cpu/warp_positions.h"

// AVX3_DL and SSSE3 bring nothing over their neighbours here but code.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/warp.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef AKIMBO_WARP_ONCE
#define AKIMBO_WARP_ONCE
namespace akimbo::kernels::cpu {

constexpr std::int64_t kPiece = 256;  // pixels per piece: its arrays stay in the L1 cache
constexpr std::int64_t kPad = 16;     // vectors may read, and write here, past the last pixel

// What passes hand on. One pixel has 16 bytes of neighbours: left and right of the upper row in
// bytes 0 to 5, of the lower row in bytes 8 to 13; and two pairs of 16-bit weights, (left, right)
// and (upper, lower).
struct WarpPiece {
  alignas(64) std::int32_t left[kPiece + kPad];
  alignas(64) std::int32_t top[kPiece + kPad];
  alignas(64) std::int32_t weights[2 * (kPiece + kPad)];
  alignas(64) std::uint64_t neighbours[2 * (kPiece + kPad)];
  alignas(64) std::int32_t values[4 * (kPiece + kPad)];  // blended, channels 0 1 2 and a filler
};

struct WarpSource {
  const std::uint8_t* pixels;
  std::int64_t height, width;
  bool mirror;
  std::int32_t origin_x, origin_y;
};

// A piece of one row of output.
struct WarpSpan {
  std::int32_t row_x, row_y;
  const std::int32_t* columns_x;
  const std::int32_t* columns_y;
  std::int64_t count;
  int shift, fraction_bits;
};

}  // namespace akimbo::kernels::cpu
#endif  // AKIMBO_WARP_ONCE

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole positions of the left upper neighbours, and weights. Mirroring exchanges left and right.
HWY_ATTR void find_positions(const WarpSpan& span, const WarpSource& source, WarpPiece& piece) {
  const hn::ScalableTag<std::int32_t> d;
  const auto one = hn::Set(d, 1 << span.fraction_bits);
  const auto mask = hn::Set(d, (1 << span.fraction_bits) - 1);
  const auto row_x = hn::Set(d, span.row_x);
  const auto row_y = hn::Set(d, span.row_y);
  const auto last_pair = hn::Set(d, static_cast<std::int32_t>(source.width - 2));
  const auto origin_x = hn::Set(d, source.origin_x);
  const auto origin_y = hn::Set(d, source.origin_y);
  for (std::int64_t i = 0; i < span.count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto x = hn::ShiftRightSame(hn::Add(row_x, hn::LoadU(d, span.columns_x + i)), span.shift);
    const auto y = hn::ShiftRightSame(hn::Add(row_y, hn::LoadU(d, span.columns_y + i)), span.shift);
    const auto right = hn::And(x, mask);
    const auto lower = hn::And(y, mask);
    const auto left = hn::Sub(one, right);
    const auto upper = hn::Sub(one, lower);
    auto column = hn::Sub(hn::ShiftRightSame(x, span.fraction_bits), origin_x);
    auto pair = hn::Or(left, hn::ShiftLeft<16>(right));
    if (source.mirror) {
      column = hn::Sub(last_pair, column);
      pair = hn::Or(right, hn::ShiftLeft<16>(left));
    }
    hn::Store(column, d, piece.left + i);
    hn::Store(hn::Sub(hn::ShiftRightSame(y, span.fraction_bits), origin_y), d, piece.top + i);
    hn::StoreInterleaved2(pair, hn::Or(upper, hn::ShiftLeft<16>(lower)), d, piece.weights + 2 * i);
  }
}

#if HWY_TARGET == HWY_SCALAR  // processors without byte shuffles: one pixel at a time

inline std::int32_t blend_one(const WarpPiece& piece, std::int64_t i, int channel) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(piece.neighbours + 2 * i) + channel;
  const std::int32_t columns = piece.weights[2 * i];
  const std::int32_t rows = piece.weights[2 * i + 1];
  const std::int32_t upper = bytes[0] * (columns & 0xffff) + bytes[3] * (columns >> 16);
  const std::int32_t lower = bytes[8] * (columns & 0xffff) + bytes[11] * (columns >> 16);
  return upper * (rows & 0xffff) + lower * (rows >> 16);
}

inline void blend_values(WarpPiece& piece, std::int64_t count, int fraction_bits,
                         bool swap_red_blue) {
  const std::int32_t half = 1 << (2 * fraction_bits - 1);
  for (std::int64_t i = 0; i < 3 * count; ++i) {
    const auto c = static_cast<int>(i % 3);
    piece.values[i / 3 * 4 + c] =
        (blend_one(piece, i / 3, swap_red_blue ? 2 - c : c) + half) >> (2 * fraction_bits);
  }
}

inline void blend_scaled(const WarpPiece& piece, std::int64_t count, int fraction_bits,
                         const CropParams& params, float* out) {
  const float unit = 1.0f / static_cast<float>(1 << (2 * fraction_bits));
  for (std::int64_t i = 0; i < 3 * count; ++i) {
    const auto c = static_cast<std::size_t>(i % 3);
    const auto channel = static_cast<int>(params.swap_red_blue ? 2 - c : c);
    const auto sum = static_cast<float>(blend_one(piece, i / 3, channel));
    out[i] = sum * (params.scale[c] * unit) + params.shift[c];
  }
}

#else

// The weighted sums of the pixels from p on, four lanes each: three channels and 0. Of 255 * one^2
// at most, where one is 32 or 128.
template <class D>
HWY_INLINE HWY_ATTR hn::Vec<D> blend(
    D d, const WarpPiece& piece, std::int64_t p,
    hn::Vec<hn::Repartition<std::uint8_t, D> > upper_bytes,
    hn::Vec<hn::Repartition<std::uint8_t, D> > lower_bytes,
    decltype(hn::SetTableIndices(D(), static_cast<const std::int32_t*>(nullptr))) spread) {
  const hn::Repartition<std::uint8_t, D> d8;
  const hn::Repartition<std::int16_t, D> d16;
  const auto pixels =
      hn::Load(d8, reinterpret_cast<const std::uint8_t*>(piece.neighbours) + 16 * p);
  const auto weights = hn::TableLookupLanes(hn::LoadU(d, piece.weights + 2 * p), spread);
  const auto columns = hn::BitCast(d16, hn::Broadcast<0>(weights));
  const auto rows = hn::BitCast(d16, hn::Broadcast<1>(weights));
  const auto dot = [&](auto a, auto b) HWY_ATTR {
    auto odd = hn::Zero(d);
    const auto even = hn::ReorderWidenMulAccumulate(d, a, b, hn::Zero(d), odd);
    return hn::RearrangeToOddPlusEven(even, odd);
  };
  const auto upper = dot(hn::BitCast(d16, hn::TableLookupBytesOr0(pixels, upper_bytes)), columns);
  const auto lower = dot(hn::BitCast(d16, hn::TableLookupBytesOr0(pixels, lower_bytes)), columns);
  return dot(hn::BitCast(d16, hn::Or(upper, hn::ShiftLeft<16>(lower))), rows);
}

// Byte indices that take (left, right) of each channel to 16-bit lanes; 0x80 gives 0.
template <class D8>
HWY_INLINE HWY_ATTR hn::Vec<D8> pair_bytes(D8 d8, int first, bool swap_red_blue) {
  alignas(16) std::uint8_t bytes[16];
  for (int c = 0; c < 4; ++c) {
    const int channel = swap_red_blue ? 2 - c : c;
    bytes[4 * c] = static_cast<std::uint8_t>(c < 3 ? first + channel : 0x80);
    bytes[4 * c + 2] = static_cast<std::uint8_t>(c < 3 ? first + 3 + channel : 0x80);
    bytes[4 * c + 1] = bytes[4 * c + 3] = 0x80;
  }
  return hn::LoadDup128(d8, bytes);
}

// Calls use(first pixel, sums) for all groups of pixels of the piece, the last one padded.
template <class D, class F>
HWY_INLINE HWY_ATTR void for_each_group(D d, const WarpPiece& piece, std::int64_t count,
                                        bool swap_red_blue, const F& use) {
  const hn::Repartition<std::uint8_t, D> d8;
  const auto upper_bytes = pair_bytes(d8, 0, swap_red_blue);
  const auto lower_bytes = pair_bytes(d8, 8, swap_red_blue);
  // The weights of pixel j, two lanes in memory, to both halves of block j.
  HWY_ALIGN std::int32_t lanes[hn::MaxLanes(d)];
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    lanes[i] = static_cast<std::int32_t>(i / 4 * 2 + i % 2);
  }
  const auto spread = hn::SetTableIndices(d, lanes);
  const auto step = static_cast<std::int64_t>(hn::Lanes(d) / 4);
  for (std::int64_t p = 0; p < count; p += step) {
    use(p, blend(d, piece, p, upper_bytes, lower_bytes, spread));
  }
}

// Rounded 8-bit values, four lanes per pixel.
HWY_ATTR void blend_values(WarpPiece& piece, std::int64_t count, int fraction_bits,
                           bool swap_red_blue) {
  const hn::ScalableTag<std::int32_t> d;
  const auto half = hn::Set(d, 1 << (2 * fraction_bits - 1));
  for_each_group(d, piece, count, swap_red_blue, [&](std::int64_t p, auto sums) HWY_ATTR {
    hn::Store(hn::ShiftRightSame(hn::Add(sums, half), 2 * fraction_bits), d, piece.values + 4 * p);
  });
}

// scale[c] * value + shift[c] in f32, three per pixel. The steps round as in crop_forward_plain:
// the division by the power of two is exact, and product and sum are not fused.
HWY_ATTR void blend_scaled(const WarpPiece& piece, std::int64_t count, int fraction_bits,
                           const CropParams& params, float* out) {
  const hn::ScalableTag<float> df;
  const hn::ScalableTag<std::int32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(df));
  const float unit = 1.0f / static_cast<float>(1 << (2 * fraction_bits));
  alignas(16) const float scales[4] = {params.scale[0] * unit, params.scale[1] * unit,
                                       params.scale[2] * unit, 0};
  alignas(16) const float shifts[4] = {params.shift[0], params.shift[1], params.shift[2], 0};
  const auto scale = hn::LoadDup128(df, scales);
  const auto shift = hn::LoadDup128(df, shifts);
  // Drops the filler lanes. What is stored beyond the pixels of the group is overwritten by the
  // next.
  HWY_ALIGN std::int32_t kept[hn::MaxLanes(d)];
  for (std::int64_t i = 0; i < lanes; ++i) {
    kept[i] = static_cast<std::int32_t>(i / 3 * 4 + i % 3) % static_cast<std::int32_t>(lanes);
  }
  const auto compact = hn::SetTableIndices(df, kept);
  for_each_group(d, piece, count, params.swap_red_blue, [&](std::int64_t p, auto sums) HWY_ATTR {
    const auto values = hn::Add(hn::Mul(hn::ConvertTo(df, sums), scale), shift);
    const auto packed = hn::TableLookupLanes(values, compact);
    if (3 * p + lanes <= 3 * count) {
      hn::StoreU(packed, df, out + 3 * p);
    } else {
      HWY_ALIGN float last[hn::MaxLanes(df)];
      hn::Store(packed, df, last);
      const std::int64_t left = std::min(count - p, lanes / 4);
      std::memcpy(out + 3 * p, last, static_cast<std::size_t>(3 * left) * sizeof(float));
    }
  });
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {
namespace {

HWY_EXPORT(find_positions);
HWY_EXPORT(blend_values);
HWY_EXPORT(blend_scaled);

constexpr std::int64_t kRowGrain = 64;  // rows of output per chunk of work

std::uint64_t load_eight(const std::uint8_t* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The neighbours (x, y) and (x + 1, y) where either may be outside: three bytes each, 0 outside.
std::uint64_t border_pair(const WarpSource& source, std::int64_t x, std::int64_t y) {
  if (y < 0 || y >= source.height) return 0;
  std::uint64_t value = 0;
  for (int side = 0; side < 2; ++side) {
    const std::int64_t column = x + side;
    if (column < 0 || column >= source.width) continue;
    const std::uint8_t* pixel = source.pixels + (y * source.width + column) * 3;
    for (int c = 0; c < 3; ++c) value |= std::uint64_t{pixel[c]} << (8 * (3 * side + c));
  }
  return value;
}

// Six of the eight bytes loaded are used; `last_offset` is where eight still fit in both rows.
void gather_neighbours(const WarpSource& source, std::int64_t count, WarpPiece& piece) {
  const std::int64_t stride = source.width * 3;
  const std::int64_t last_offset = stride * source.height - stride - 8;
  const auto inner_columns = static_cast<std::uint64_t>(source.width - 1);
  const auto inner_rows = static_cast<std::uint64_t>(source.height - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t x = piece.left[i];
    const std::int64_t y = piece.top[i];
    const std::int64_t offset = y * stride + x * 3;
    if (static_cast<std::uint64_t>(x) < inner_columns &&
        static_cast<std::uint64_t>(y) < inner_rows && offset <= last_offset) {
      piece.neighbours[2 * i] = load_eight(source.pixels + offset);
      piece.neighbours[2 * i + 1] = load_eight(source.pixels + offset + stride);
    } else {
      piece.neighbours[2 * i] = border_pair(source, x, y);
      piece.neighbours[2 * i + 1] = border_pair(source, x, y + 1);
    }
  }
}

// Calls use(piece, offset of its first pixel in y, pixels) with positions and neighbours filled in.
template <typename F>
void for_each_piece(ConstView x, const WarpParams& params, View y, const F& use) {
  const WarpSource source{x.data<std::uint8_t>(), x.dim(0),        x.dim(1),
                          params.mirror,          params.origin_x, params.origin_y};
  const std::int64_t width = y.dim(1);
  const WarpPositions positions(params, width);
  parallel_for(y.dim(0), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    WarpPiece piece{};  // zeroed: vectors read past the last pixel
    for (std::int64_t v = begin; v < end; ++v) {
      for (std::int64_t u = 0; u < width; u += kPiece) {
        const WarpSpan span{positions.x_of_row(v),       positions.y_of_row(v),
                            positions.columns_x() + u,   positions.columns_y() + u,
                            std::min(kPiece, width - u), positions.shift(),
                            positions.fraction_bits()};
        HWY_DYNAMIC_DISPATCH(find_positions)(span, source, piece);
        gather_neighbours(source, span.count, piece);
        use(piece, v * width + u, span.count);
      }
    }
  });
}

}  // namespace

// Pictures of three channels, wider than the reach of 32-bit positions never; others take the plain
// loop: masks and grey pictures are rare and small.
void warp_forward(const Exec& exec, ConstView x, const WarpParams& params, View y) {
  if (x.dim(2) != 3) return warp_forward_plain(exec, x, params, y);
  const int bits = params.rule == WarpRule::exact ? 5 : 7;
  auto* out = y.data<std::uint8_t>();
  for_each_piece(x, params, y, [&](WarpPiece& piece, std::int64_t offset, std::int64_t count) {
    HWY_DYNAMIC_DISPATCH(blend_values)(piece, count, bits, false);
    for (std::int64_t i = 0; i < count; ++i) {
      for (int c = 0; c < 3; ++c) {
        out[3 * (offset + i) + c] = static_cast<std::uint8_t>(piece.values[4 * i + c]);
      }
    }
  });
}

void crop_forward(const Exec&, ConstView x, const CropParams& params, View y) {
  const bool exact = params.warp.rule == WarpRule::exact;
  auto* out = y.data<float>();
  for_each_piece(x, params.warp, y, [&](WarpPiece& piece, std::int64_t offset, std::int64_t count) {
    float* to = out + 3 * offset;
    if (!exact) {
      HWY_DYNAMIC_DISPATCH(blend_scaled)(piece, count, 7, params, to);
      return;
    }
    HWY_DYNAMIC_DISPATCH(blend_values)(piece, count, 5, params.swap_red_blue);
    const float* table = params.table;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t* value = piece.values + 4 * i;
      to[3 * i] = table[value[0]];
      to[3 * i + 1] = table[256 + value[1]];
      to[3 * i + 2] = table[512 + value[2]];
    }
  });
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
