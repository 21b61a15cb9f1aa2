// Three-dimensional vectors and matrices in float, for the synthetic scenes.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

namespace akimbo::synth {

struct Vec3 {
  float x = 0, y = 0, z = 0;
  friend Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend Vec3 operator*(Vec3 a, float s) { return {a.x * s, a.y * s, a.z * s}; }
  friend Vec3 operator*(float s, Vec3 a) { return a * s; }
  friend Vec3 operator*(Vec3 a, Vec3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
};

inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline float length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline Vec3 normalized(Vec3 a) {
  const float l = length(a);
  return l > 0 ? a * (1.0f / l) : Vec3{0, 0, 1};
}
inline Vec3 mix(Vec3 a, Vec3 b, float t) { return a * (1 - t) + b * t; }

// Rows x, y, z.
struct Mat3 {
  Vec3 x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1};
  friend Vec3 operator*(const Mat3& m, Vec3 v) { return {dot(m.x, v), dot(m.y, v), dot(m.z, v)}; }
};

inline Mat3 transposed(const Mat3& m) {
  return {{m.x.x, m.y.x, m.z.x}, {m.x.y, m.y.y, m.z.y}, {m.x.z, m.y.z, m.z.z}};
}
inline Mat3 operator*(const Mat3& a, const Mat3& b) {
  const Mat3 t = transposed(b);
  return {{dot(a.x, t.x), dot(a.x, t.y), dot(a.x, t.z)},
          {dot(a.y, t.x), dot(a.y, t.y), dot(a.y, t.z)},
          {dot(a.z, t.x), dot(a.z, t.y), dot(a.z, t.z)}};
}

inline constexpr float kPi = std::numbers::pi_v<float>;
inline float radians(float degrees) { return degrees * (kPi / 180); }

// Right-handed rotations about one axis.
inline Mat3 rotation_x(float rad) {
  const float c = std::cos(rad), s = std::sin(rad);
  return {{1, 0, 0}, {0, c, -s}, {0, s, c}};
}
inline Mat3 rotation_y(float rad) {
  const float c = std::cos(rad), s = std::sin(rad);
  return {{c, 0, s}, {0, 1, 0}, {-s, 0, c}};
}
inline Mat3 rotation_z(float rad) {
  const float c = std::cos(rad), s = std::sin(rad);
  return {{c, -s, 0}, {s, c, 0}, {0, 0, 1}};
}

// Rotation whose columns are an orthonormal frame: y along `axis`, z as near to `front` as it can
// be.
inline Mat3 frame_along(Vec3 axis, Vec3 front) {
  const Vec3 y = normalized(axis);
  Vec3 x = cross(y, front);
  if (dot(x, x) < 1e-8f) x = cross(y, std::abs(y.x) < 0.9f ? Vec3{1, 0, 0} : Vec3{0, 0, 1});
  x = normalized(x);
  return transposed({x, y, cross(x, y)});
}

}  // namespace akimbo::synth
