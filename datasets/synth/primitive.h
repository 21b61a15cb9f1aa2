// The solids that scenes are made of, and how a ray through a pixel meets them.
//
// A solid is simple in its own local space, which an affine map ties to the camera's. Rays are not
// normalised there, so their parameter stays what it is in camera space: the depth z in metres.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/synth/vector.h"

namespace akimbo::synth {

enum class Solid : std::uint8_t {
  ellipsoid,   // unit sphere
  round_cone,  // hull of two spheres: radius r0 at the origin, r1 at (0, span, 0)
  box,         // [-1, 1] cubed
};

enum class Part : std::uint8_t {
  torso,
  head,
  left_upper_arm,
  right_upper_arm,
  left_forearm,
  right_forearm,
  left_thigh,
  right_thigh,
  left_shin,
  right_shin,
  left_foot,
  right_foot,
  object
};

struct Primitive {
  Solid solid = Solid::ellipsoid;
  Part part = Part::object;
  std::int16_t person = -1;  // index of the person; -1: an object
  std::uint16_t material = 0;
  Vec3 center;          // world, metres
  Mat3 frame;           // columns: the axes, in the world
  Vec3 scale{1, 1, 1};  // local units to metres
  float r0 = 1, r1 = 1, span = 0;
};

// Pinhole without distortion: u = f x / z + cx, v = f y / z + cy; pixel centres at whole numbers.
struct Camera {
  int width = 0, height = 0;
  float f_px = 1, cx_px = 0, cy_px = 0;
  Vec3 position;  // world
  Mat3 rotation;  // world to camera (x right, y down, z forward)

  [[nodiscard]] Vec3 to_camera(Vec3 world) const { return rotation * (world - position); }
  [[nodiscard]] Vec3 ray(float u, float v) const {
    return {(u - cx_px) / f_px, (v - cy_px) / f_px, 1};
  }
};

// Nearest surface per pixel.
struct DepthBuffer {
  static constexpr std::uint16_t kNone = 0xFFFF;
  int width = 0, height = 0;
  std::vector<float> z;                  // camera z, metres; infinity where nothing is
  std::vector<std::uint16_t> primitive;  // index of the solid, or kNone
  [[nodiscard]] std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * width + x;
  }
};

// Where the surface of a solid is seen, in its local space, and the outward normal in camera space.
struct SurfacePoint {
  Vec3 local_m;  // local position times scale: metres
  Vec3 normal_camera;
};

// The camera's origin and directions in a solid's local space.
struct LocalView {
  Vec3 origin;
  Mat3 to_local;
};
[[nodiscard]] LocalView local_view(const Camera& camera, const Primitive& primitive);

// Depth z at which Camera::ray() meets the solid; infinity where it does not.
[[nodiscard]] float depth_along(const Primitive& primitive, const LocalView& view, Vec3 ray);
[[nodiscard]] SurfacePoint surface_point(const Primitive& primitive, const LocalView& view,
                                         Vec3 ray, float z);

[[nodiscard]] DepthBuffer rasterize(const Camera& camera, const std::vector<Primitive>& primitives);

}  // namespace akimbo::synth
