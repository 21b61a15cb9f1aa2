// What is seen where no solid is: ground, wall or sky, and flat clutter.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/synth/scene.h"

namespace akimbo::synth {

// Colours in linear order [H, W], RGB 0..1.
[[nodiscard]] std::vector<Vec3> paint_background(const Scene& scene, Random& random);

}  // namespace akimbo::synth
