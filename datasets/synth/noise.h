// Smooth noise over the plane, a pure function of position and salt.
#pragma once

#include <cmath>
#include <cstdint>

namespace akimbo::synth {

inline float lattice_value(std::int32_t x, std::int32_t y, std::uint32_t salt) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x8da6b343u ^
                    static_cast<std::uint32_t>(y) * 0xd8163841u ^ salt * 0xcb1ab31fu;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return static_cast<float>((h ^ (h >> 15)) >> 8) * 0x1p-24f;
}

// In [0, 1): smooth between random values at whole coordinates.
inline float value_noise(float x, float y, std::uint32_t salt) {
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<std::int32_t>(fx), iy = static_cast<std::int32_t>(fy);
  float tx = x - fx, ty = y - fy;
  tx = tx * tx * (3 - 2 * tx);
  ty = ty * ty * (3 - 2 * ty);
  const float a = lattice_value(ix, iy, salt), b = lattice_value(ix + 1, iy, salt);
  const float c = lattice_value(ix, iy + 1, salt), d = lattice_value(ix + 1, iy + 1, salt);
  const float top = a + (b - a) * tx, bottom = c + (d - c) * tx;
  return top + (bottom - top) * ty;
}

}  // namespace akimbo::synth
