#include "datasets/synth/primitive.h"

#include <gtest/gtest.h>

#include <cmath>

namespace akimbo::synth {
namespace {

// Looks along the world's -z from the origin.
Camera camera() {
  return {.width = 101,
          .height = 81,
          .f_px = 100,
          .cx_px = 50,
          .cy_px = 40,
          .rotation = {{1, 0, 0}, {0, -1, 0}, {0, 0, -1}}};
}

float depth_at(const Primitive& p, int x, int y) {
  const DepthBuffer depth = rasterize(camera(), {p});
  return depth.z[depth.index(x, y)];
}

SurfacePoint surface_at(const Primitive& p, int x, int y, float z) {
  return surface_point(p, local_view(camera(), p),
                       camera().ray(static_cast<float>(x), static_cast<float>(y)), z);
}

TEST(SynthPrimitive, SphereInTheMiddle) {
  const Primitive sphere{.center = {0, 0, -5}, .scale = {1, 1, 1}};
  EXPECT_NEAR(depth_at(sphere, 50, 40), 4, 1e-5);
  EXPECT_TRUE(std::isinf(depth_at(sphere, 75, 40)));
  const SurfacePoint s = surface_at(sphere, 50, 40, 4);
  EXPECT_NEAR(s.normal_camera.z, -1, 1e-5);
  EXPECT_NEAR(s.local_m.z, 1, 1e-5);
}

TEST(SynthPrimitive, EllipsoidIsScaledAlongItsAxes) {
  const Primitive flat{.center = {0, 0, -5}, .frame = rotation_y(kPi / 2), .scale = {2, 1, 0.5f}};
  EXPECT_NEAR(depth_at(flat, 50, 40), 3, 1e-5);
}

TEST(SynthPrimitive, BoxShowsItsFace) {
  const Primitive box{.solid = Solid::box, .center = {0.5f, 0.5f, -5}, .scale = {0.5f, 0.5f, 1}};
  EXPECT_NEAR(depth_at(box, 60, 30), 4, 1e-5);
  EXPECT_TRUE(std::isinf(depth_at(box, 40, 50)));
  EXPECT_NEAR(surface_at(box, 60, 30, 4).normal_camera.z, -1, 1e-5);
}

TEST(SynthPrimitive, RoundConeAgreesWithItsDistance) {
  // Every hit lies on the surface, by the distance to the hull of two spheres found by search.
  Primitive cone{.solid = Solid::round_cone,
                 .center = {-0.6f, -0.5f, -4},
                 .frame = frame_along({1, 0.7f, -0.8f}, {0, 0, 1}),
                 .scale = {1, 1, 1}};
  cone.r0 = 0.5f, cone.r1 = 0.2f, cone.span = 1.4f;
  const DepthBuffer depth = rasterize(camera(), {cone});
  int num_hits = 0;
  for (int y = 0; y < depth.height; y += 3) {
    for (int x = 0; x < depth.width; x += 3) {
      const float z = depth.z[depth.index(x, y)];
      if (std::isinf(z)) continue;
      ++num_hits;
      const SurfacePoint s = surface_at(cone, x, y, z);
      float distance = 1e9f;
      for (int i = 0; i <= 4000; ++i) {
        const float t = static_cast<float>(i) / 4000;
        distance = std::min(distance, length(s.local_m - Vec3{0, t * cone.span, 0}) -
                                          (cone.r0 + t * (cone.r1 - cone.r0)));
      }
      EXPECT_NEAR(distance, 0, 2e-4);
      EXPECT_LT(dot(s.normal_camera, camera().ray(float(x), float(y))), 1e-3);
    }
  }
  EXPECT_GT(num_hits, 40);
}

TEST(SynthPrimitive, TheNearerSolidHidesTheOther) {
  const Primitive far{.center = {0, 0, -6}},
      near{.center = {0, 0, -3}, .scale = {0.2f, 0.2f, 0.2f}};
  const DepthBuffer depth = rasterize(camera(), {near, far});
  EXPECT_EQ(depth.primitive[depth.index(50, 40)], 0);
  EXPECT_EQ(depth.primitive[depth.index(62, 40)], 1);
  EXPECT_EQ(depth.primitive[depth.index(0, 0)], DepthBuffer::kNone);
}

TEST(SynthPrimitive, WhatIsBehindTheCameraIsNotDrawn) {
  const DepthBuffer depth = rasterize(camera(), {{.center = {0, 0, 3}}, {.center = {0, 0, -0.5f}}});
  for (const std::uint16_t id : depth.primitive) EXPECT_EQ(id, DepthBuffer::kNone);
}

}  // namespace
}  // namespace akimbo::synth
