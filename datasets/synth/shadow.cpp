#include "datasets/synth/shadow.h"

namespace akimbo::synth {
namespace {

// A solid casts a few soft discs, spread along it: cheap, and right enough under a sky.
struct Disc {
  float x, z, radius, softness;  // metres on the ground
};

void add_discs(const Scene& scene, const Primitive& p, std::vector<Disc>& discs) {
  const auto cast = [&](Vec3 point, float radius) {
    const float height = std::max(0.0f, point.y);
    const Vec3 foot = point - scene.to_light * (height / scene.to_light.y);
    discs.push_back({foot.x, foot.z, radius, 0.3f * radius + 0.12f * height + 0.02f});
  };
  if (p.solid != Solid::round_cone) {
    cast(p.center, std::max(p.scale.x, p.scale.z));
    return;
  }
  const int num_discs = 2 + static_cast<int>(p.span / (p.r0 + p.r1 + 1e-3f));
  for (int i = 0; i < num_discs; ++i) {
    const float t = static_cast<float>(i) / static_cast<float>(num_discs - 1);
    cast(p.center + p.frame * Vec3{0, t * p.span, 0}, p.r0 + t * (p.r1 - p.r0));
  }
}

struct Span {
  int x0, y0, x1, y1;
};

// Pixels that the square around the disc covers; none when it reaches behind the camera.
Span pixels_of(const Camera& camera, const Disc& disc) {
  const float reach = disc.radius + disc.softness;
  float u0 = 1e9f, v0 = 1e9f, u1 = -1e9f, v1 = -1e9f;
  for (int corner = 0; corner < 4; ++corner) {
    const Vec3 q = camera.to_camera(
        {disc.x + (corner & 1 ? reach : -reach), 0, disc.z + (corner & 2 ? reach : -reach)});
    if (q.z < 0.3f) return {0, 0, 0, 0};
    const float u = camera.f_px * q.x / q.z + camera.cx_px;
    const float v = camera.f_px * q.y / q.z + camera.cy_px;
    u0 = std::min(u0, u), u1 = std::max(u1, u), v0 = std::min(v0, v), v1 = std::max(v1, v);
  }
  const auto clamped = [](float value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0f, static_cast<float>(limit)));
  };
  return {clamped(u0, camera.width), clamped(v0, camera.height), clamped(u1 + 2, camera.width),
          clamped(v1 + 2, camera.height)};
}

}  // namespace

std::vector<float> ground_light(const Scene& scene) {
  const Camera& camera = scene.camera;
  std::vector<float> light(static_cast<std::size_t>(camera.width) * camera.height, 1.0f);
  std::vector<Disc> discs;
  for (const Primitive& p : scene.primitives) add_discs(scene, p, discs);
  const Mat3 to_world = transposed(camera.rotation);
  const float darkest = 0.35f + 0.5f * scene.ambient;
  for (const Disc& disc : discs) {
    const Span span = pixels_of(camera, disc);
    for (int y = span.y0; y < span.y1; ++y) {
      for (int x = span.x0; x < span.x1; ++x) {
        const Vec3 ray = to_world * camera.ray(static_cast<float>(x), static_cast<float>(y));
        if (ray.y > -1e-4f) continue;
        const Vec3 hit = camera.position - ray * (camera.position.y / ray.y);
        const float dx = hit.x - disc.x, dz = hit.z - disc.z;
        const float outside = std::sqrt(dx * dx + dz * dz) - disc.radius;
        const float shade = std::clamp(0.5f - 0.5f * outside / disc.softness, 0.0f, 1.0f);
        // High above the ground a small solid leaves little of a shadow.
        const float depth = shade * disc.radius / (disc.radius + 0.6f * disc.softness);
        float& at = light[static_cast<std::size_t>(y) * camera.width + x];
        at = std::min(at, 1 - (1 - darkest) * depth);
      }
    }
  }
  return light;
}

}  // namespace akimbo::synth
