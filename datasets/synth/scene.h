// One scene: who stands where, what stands around, who looks from where, and the light.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/synth/body.h"
#include "datasets/synth/figure.h"
#include "datasets/synth/material.h"
#include "datasets/synth/primitive.h"

namespace akimbo::synth {

struct Scene {
  Camera camera;
  Vec3 to_light;  // unit, world
  float ambient = 0.5f;
  std::vector<Body> people;
  std::vector<Primitive> primitives;
  std::vector<Material> materials;
};

struct SceneOptions {
  int width = 320, height = 240;
  int max_people = 3;
  // Share of people who face the camera within some 25 degrees; of the others about a third show
  // their back, the rest stand any way.
  double facing = 0.5;
};

// A function of (seed, picture) and the options only.
[[nodiscard]] Scene make_scene(const SceneOptions& options, std::uint64_t seed,
                               std::uint64_t picture);

}  // namespace akimbo::synth
