#include "datasets/synth/primitive.h"

#include <limits>

namespace akimbo::synth {
namespace {

constexpr float kNear = 0.1f;  // metres; nothing nearer than this is drawn
constexpr float kMiss = std::numeric_limits<float>::infinity();

float meet_sphere(Vec3 o, Vec3 d, float radius) {
  const float a = dot(d, d), b = dot(o, d), c = dot(o, o) - radius * radius;
  const float disc = b * b - a * c;
  return disc < 0 ? kMiss : (-b - std::sqrt(disc)) / a;
}

// Slabs; the entry parameter.
float meet_box(Vec3 o, Vec3 d) {
  float enter = -kMiss, leave = kMiss;
  const float os[3] = {o.x, o.y, o.z}, ds[3] = {d.x, d.y, d.z};
  for (int i = 0; i < 3; ++i) {
    const float step = std::abs(ds[i]) < 1e-9f ? 1e-9f : ds[i];
    const float a = (-1 - os[i]) / step, b = (1 - os[i]) / step;
    enter = std::max(enter, std::min(a, b));
    leave = std::min(leave, std::max(a, b));
  }
  return enter <= leave ? enter : kMiss;
}

// The hull of two spheres: a cone tangent to both between two circles, spheres beyond. Substituting
// the ray into the cone's equation gives k2 t^2 + 2 k1 t + k0 = 0.
float meet_round_cone(const Primitive& p, Vec3 o, Vec3 d) {
  const float slope = p.r0 - p.r1, h = p.span;
  const float m1 = h * o.y, m2 = h * d.y, dd = dot(d, d), od = dot(o, d), oo = dot(o, o);
  const float d2 = h * h - slope * slope;
  const float k2 = d2 * dd - m2 * m2;
  const float k1 = d2 * od - m1 * m2 + m2 * slope * p.r0;
  const float k0 = d2 * oo - m1 * m1 + 2 * m1 * slope * p.r0 - h * h * p.r0 * p.r0;
  const float disc = k1 * k1 - k0 * k2;
  if (disc < 0) return kMiss;
  const float t = (-std::sqrt(disc) - k1) / k2;
  const float along = m1 - p.r0 * slope + t * m2;
  if (along > 0 && along < d2) return t;
  return std::min(meet_sphere(o, d, p.r0), meet_sphere({o.x, o.y - h, o.z}, d, p.r1));
}

float meet(const Primitive& p, Vec3 o, Vec3 d) {
  switch (p.solid) {
    case Solid::ellipsoid: return meet_sphere(o, d, 1);
    case Solid::round_cone: return meet_round_cone(p, o, d);
    case Solid::box: return meet_box(o, d);
  }
  return kMiss;
}

struct Rect {
  int x0, y0, x1, y1;  // half open
};

// Pixels that the solid can touch: the projection of its local bounding box. Empty when a part of
// it is too near or behind the camera.
Rect bounds_of(const Camera& camera, const Primitive& p) {
  Vec3 low{-1, -1, -1}, high{1, 1, 1};
  if (p.solid == Solid::round_cone) {
    const float r = std::max(p.r0, p.r1);
    low = {-r, std::min(-p.r0, p.span - p.r1), -r};
    high = {r, std::max(p.span + p.r1, p.r0), r};
  }
  float u0 = 1e9f, v0 = 1e9f, u1 = -1e9f, v1 = -1e9f;
  for (int corner = 0; corner < 8; ++corner) {
    const Vec3 local{corner & 1 ? high.x : low.x, corner & 2 ? high.y : low.y,
                     corner & 4 ? high.z : low.z};
    const Vec3 q = camera.to_camera(p.center + p.frame * (local * p.scale));
    if (q.z < kNear) return {0, 0, 0, 0};
    const float u = camera.f_px * q.x / q.z + camera.cx_px;
    const float v = camera.f_px * q.y / q.z + camera.cy_px;
    u0 = std::min(u0, u), u1 = std::max(u1, u), v0 = std::min(v0, v), v1 = std::max(v1, v);
  }
  const auto clamped = [](float value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0f, static_cast<float>(limit)));
  };
  return {clamped(std::floor(u0), camera.width), clamped(std::floor(v0), camera.height),
          clamped(std::ceil(u1) + 1, camera.width), clamped(std::ceil(v1) + 1, camera.height)};
}

Vec3 local_normal(const Primitive& p, Vec3 q) {
  if (p.solid == Solid::ellipsoid) return q;
  if (p.solid == Solid::box) {
    const Vec3 a{std::abs(q.x), std::abs(q.y), std::abs(q.z)};
    if (a.x >= a.y && a.x >= a.z) return {q.x, 0, 0};
    return a.y >= a.z ? Vec3{0, q.y, 0} : Vec3{0, 0, q.z};
  }
  const float slope = p.r0 - p.r1, d2 = p.span * p.span - slope * slope;
  const float along = p.span * q.y - p.r0 * slope;  // from the first tangent circle, times span
  if (along <= 0) return q;
  if (along >= d2) return {q.x, q.y - p.span, q.z};
  return q * d2 - Vec3{0, p.span * along, 0};
}

}  // namespace

LocalView local_view(const Camera& camera, const Primitive& p) {
  const Mat3 rows = transposed(p.frame);
  const Mat3 world_to_local{rows.x * (1 / p.scale.x), rows.y * (1 / p.scale.y),
                            rows.z * (1 / p.scale.z)};
  return {world_to_local * (camera.position - p.center),
          world_to_local * transposed(camera.rotation)};
}

float depth_along(const Primitive& primitive, const LocalView& view, Vec3 ray) {
  const float z = meet(primitive, view.origin, view.to_local * ray);
  return z > kNear ? z : kMiss;
}

SurfacePoint surface_point(const Primitive& primitive, const LocalView& view, Vec3 ray, float z) {
  const Vec3 q = view.origin + view.to_local * ray * z;
  const Vec3 n = transposed(view.to_local) * local_normal(primitive, q);
  return {q * primitive.scale, normalized(n)};
}

DepthBuffer rasterize(const Camera& camera, const std::vector<Primitive>& primitives) {
  DepthBuffer buffer{camera.width, camera.height, {}, {}};
  const std::size_t num_pixels = static_cast<std::size_t>(camera.width) * camera.height;
  buffer.z.assign(num_pixels, kMiss);
  buffer.primitive.assign(num_pixels, DepthBuffer::kNone);
  for (std::size_t i = 0; i < primitives.size(); ++i) {
    const Primitive& p = primitives[i];
    const Rect rect = bounds_of(camera, p);
    const LocalView view = local_view(camera, p);
    for (int y = rect.y0; y < rect.y1; ++y) {
      for (int x = rect.x0; x < rect.x1; ++x) {
        const float z =
            depth_along(p, view, camera.ray(static_cast<float>(x), static_cast<float>(y)));
        const std::size_t at = buffer.index(x, y);
        if (z < buffer.z[at]) {
          buffer.z[at] = z;
          buffer.primitive[at] = static_cast<std::uint16_t>(i);
        }
      }
    }
  }
  return buffer;
}

}  // namespace akimbo::synth
