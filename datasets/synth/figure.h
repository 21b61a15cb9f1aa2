// Flesh and clothes: the solids and materials that make a body visible.
#pragma once

#include <vector>

#include "datasets/synth/body.h"
#include "datasets/synth/material.h"
#include "datasets/synth/primitive.h"

namespace akimbo::synth {

// What a person wears and looks like; colours as in Material.
struct Look {
  Vec3 skin, hair, iris;
  Material shirt;  // chest and belly; the chest's front shows the emblem
  Material sleeves, trousers;
  Vec3 shoes, soles;
  bool long_sleeves = true, long_trousers = true, long_hair = false;
  bool cap = false, skirt = false;
  Vec3 cap_colour;
  float hairline = 0.3f;  // in heads above the middle of the head; over 0.5: bald
};
[[nodiscard]] Look sample_look(Random& random);

// Appends the solids of one person and their materials.
void add_figure(const Body& body, const Look& look, int person, std::vector<Primitive>& primitives,
                std::vector<Material>& materials);

}  // namespace akimbo::synth
