// The shadows that solids cast on the ground.
#pragma once

#include <vector>

#include "datasets/synth/scene.h"

namespace akimbo::synth {

// Per pixel [H, W], as if the ground were seen everywhere: the share of light that arrives, 1 where
// no shadow falls.
[[nodiscard]] std::vector<float> ground_light(const Scene& scene);

}  // namespace akimbo::synth
