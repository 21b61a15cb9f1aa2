// The rule of the affine warp, one destination pixel at a time.
#include "kernels/cpu/warp_positions.h"

namespace akimbo::kernels::cpu {
namespace {

struct Source {
  const std::uint8_t* pixels;
  std::int64_t height, width, channels;
  bool mirror;
  std::int64_t origin_x, origin_y;

  [[nodiscard]] std::int32_t at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    x -= origin_x;
    y -= origin_y;
    if (x < 0 || x >= width || y < 0 || y >= height) return 0;
    if (mirror) x = width - 1 - x;
    return pixels[(y * width + x) * channels + c];
  }
};

// The weighted sum of the four neighbours at a position with `bits` fractional bits; the weights
// add up to 1 << 2 bits.
std::int32_t weighted_sum(const Source& source, std::int32_t x, std::int32_t y, int bits,
                          std::int64_t c) {
  const std::int32_t one = 1 << bits;
  const std::int32_t ax = x & (one - 1);
  const std::int32_t ay = y & (one - 1);
  const std::int64_t sx = x >> bits;
  const std::int64_t sy = y >> bits;
  const std::int32_t top = source.at(sy, sx, c) * (one - ax) + source.at(sy, sx + 1, c) * ax;
  const std::int32_t bottom =
      source.at(sy + 1, sx, c) * (one - ax) + source.at(sy + 1, sx + 1, c) * ax;
  return top * (one - ay) + bottom * ay;
}

// Calls write(offset of the destination pixel, x, y) for all pixels.
template <typename F>
void for_each_position(const WarpPositions& positions, std::int64_t height, std::int64_t width,
                       const F& write) {
  for (std::int64_t v = 0; v < height; ++v) {
    for (std::int64_t u = 0; u < width; ++u) {
      write(v * width + u, (positions.x_of_row(v) + positions.columns_x()[u]) >> positions.shift(),
            (positions.y_of_row(v) + positions.columns_y()[u]) >> positions.shift());
    }
  }
}

Source source_of(ConstView x, const WarpParams& params) {
  return {x.data<std::uint8_t>(), x.dim(0),        x.dim(1),       x.dim(2),
          params.mirror,          params.origin_x, params.origin_y};
}

}  // namespace

// The published rule scales the weights to a sum of 2^15 and rounds (sum + 2^14) >> 15; with the
// common factor 32 taken out that is (sum + 2^9) >> 10.
void warp_forward_plain(const Exec&, ConstView x, const WarpParams& params, View y) {
  const Source source = source_of(x, params);
  const WarpPositions positions(params, y.dim(1));
  const int bits = positions.fraction_bits();
  auto* out = y.data<std::uint8_t>();
  for_each_position(positions, y.dim(0), y.dim(1),
                    [&](std::int64_t i, std::int32_t px, std::int32_t py) {
                      for (std::int64_t c = 0; c < source.channels; ++c) {
                        const std::int32_t sum = weighted_sum(source, px, py, bits, c);
                        out[i * source.channels + c] =
                            static_cast<std::uint8_t>((sum + (1 << (2 * bits - 1))) >> (2 * bits));
                      }
                    });
}

void crop_forward_plain(const Exec&, ConstView x, const CropParams& params, View y) {
  const Source source = source_of(x, params.warp);
  const WarpPositions positions(params.warp, y.dim(1));
  const int bits = positions.fraction_bits();
  auto* out = y.data<float>();
  for_each_position(
      positions, y.dim(0), y.dim(1), [&](std::int64_t i, std::int32_t px, std::int32_t py) {
        for (std::int64_t c = 0; c < 3; ++c) {
          const std::int32_t sum =
              weighted_sum(source, px, py, bits, params.swap_red_blue ? 2 - c : c);
          if (params.warp.rule == WarpRule::exact) {
            const std::int32_t value = (sum + (1 << (2 * bits - 1))) >> (2 * bits);
            out[3 * i + c] = params.table[256 * c + value];
          } else {
            const float value =
                static_cast<float>(sum) * (1.0f / static_cast<float>(1 << (2 * bits)));
            const auto k = static_cast<std::size_t>(c);
            out[3 * i + c] = value * params.scale[k] + params.shift[k];
          }
        }
      });
}

void crop_batch_forward(const Exec& exec, std::span<const CropItem> items, View y) {
  const Shape slot{y.dim(1), y.dim(2), y.dim(3)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto* to = y.data<float>() + static_cast<std::int64_t>(i) * slot.numel();
    crop_forward(exec, items[i].picture, items[i].params, {to, DType::f32, slot});
  }
}

}  // namespace akimbo::kernels::cpu
