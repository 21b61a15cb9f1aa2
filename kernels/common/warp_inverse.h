// The inverse of a warp's matrix, as the published rule computes it; every device's kernels share
// it, because the last bits of the positions depend on the order of these operations.
#pragma once

#include <array>

namespace akimbo::kernels {

// Source x = x_u u + (x_v v + x_0), likewise y, for destination (u, v).
struct WarpInverse {
  double x_u = 0, x_v = 0, x_0 = 0;
  double y_u = 0, y_v = 0, y_0 = 0;
};

// `m`: rows m00 m01 m02 and m10 m11 m12, source to destination. A singular matrix gives zeros.
inline WarpInverse invert_warp(const std::array<double, 6>& m) {
  const double determinant = m[0] * m[4] - m[1] * m[3];
  const double d = determinant != 0 ? 1 / determinant : 0;
  const double i0 = m[4] * d;
  const double i4 = m[0] * d;
  const double i1 = -m[1] * d;
  const double i3 = -m[3] * d;
  return {i0, i1, -(i0 * m[2] + i1 * m[5]), i3, i4, -(i3 * m[2] + i4 * m[5])};
}

}  // namespace akimbo::kernels
