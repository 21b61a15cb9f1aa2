// Where in the source a destination pixel of the warp reads: the part of the rule that the plain
// and the fast path share. Private to kernels/cpu.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/common/warp_inverse.h"
#include "kernels/warp.h"

namespace akimbo::kernels::cpu {

// Fixed point with 10 fractional bits (AB_BITS of the published rule). Clamped so that the sum of
// two fits int32; a million pixels is outside any picture.
inline std::int32_t to_fixed(double value) {
  constexpr double kLimit = 1 << 30;
  return static_cast<std::int32_t>(
      std::lrint(std::clamp(value * 1024, -kLimit, kLimit)));  // to nearest even
}

class WarpPositions {
 public:
  static constexpr std::int64_t kPad = 64;  // columns are read in whole vectors

  WarpPositions(const WarpParams& params, std::int64_t width)
      : column_x_(static_cast<std::size_t>(width + kPad)),
        column_y_(static_cast<std::size_t>(width + kPad)) {
    const WarpInverse inverse = invert_warp(params.matrix);
    row_ = {inverse.x_v, inverse.x_0, inverse.y_v, inverse.y_0};
    for (std::int64_t u = 0; u < width; ++u) {
      column_x_[static_cast<std::size_t>(u)] = to_fixed(inverse.x_u * static_cast<double>(u));
      column_y_[static_cast<std::size_t>(u)] = to_fixed(inverse.y_u * static_cast<double>(u));
    }
    shift_ = params.rule == WarpRule::exact ? 5 : 3;
  }

  // Source positions of (u, v) are (x_of_row(v) + columns_x()[u]) >> shift(), in units of
  // 1 / (1 << fraction_bits()) pixel; likewise y.
  [[nodiscard]] std::int32_t x_of_row(std::int64_t v) const { return of_row(v, 0); }
  [[nodiscard]] std::int32_t y_of_row(std::int64_t v) const { return of_row(v, 2); }
  [[nodiscard]] const std::int32_t* columns_x() const { return column_x_.data(); }
  [[nodiscard]] const std::int32_t* columns_y() const { return column_y_.data(); }
  [[nodiscard]] int shift() const { return shift_; }
  [[nodiscard]] int fraction_bits() const { return 10 - shift_; }

 private:
  [[nodiscard]] std::int32_t of_row(std::int64_t v, std::size_t i) const {
    // Rounding to the grid: half of a step is added before the shift.
    return to_fixed(row_[i] * static_cast<double>(v) + row_[i + 1]) + (1 << (shift_ - 1));
  }

  std::array<double, 4> row_{};
  std::vector<std::int32_t> column_x_, column_y_;
  int shift_ = 5;
};

}  // namespace akimbo::kernels::cpu
