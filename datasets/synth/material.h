// Colours and patterns of the solids' surfaces. Colours are RGB in 0..1, before lighting.
#pragma once

#include <cstdint>

#include "datasets/synth/random.h"
#include "datasets/synth/vector.h"

namespace akimbo::synth {

enum class Pattern : std::uint8_t {
  plain,
  stripes,       // across the length (local y)
  long_stripes,  // along it (local x)
  checks,
  blotches,
  shirt_front,  // plain with an emblem, a collar opening and buttons on the front (local +z)
  face,         // skin with eyes, brows and mouth on the front, hair where a head has it
  shoe,         // upper with a sole below (local -z) and a light toe cap
};

struct Material {
  Vec3 base{0.5f, 0.5f, 0.5f};
  Vec3 second{0.2f, 0.2f, 0.2f};  // stripes, emblem, hair, sole
  Vec3 third{0.9f, 0.9f, 0.9f};   // collar opening (skin), iris
  Pattern pattern = Pattern::plain;
  float scale_m = 0.1f;  // period of a pattern; size of a head, an emblem or a shoe
  float phase = 0;       // shifts a pattern; hair: how low the hairline sits
};

// Colour at a point of the surface, in the solid's local frame in metres.
[[nodiscard]] Vec3 surface_colour(const Material& material, Vec3 local_m);

[[nodiscard]] Vec3 hue_colour(float hue, float saturation, float value);  // hue in turns
[[nodiscard]] Vec3 any_colour(Random& random);

}  // namespace akimbo::synth
