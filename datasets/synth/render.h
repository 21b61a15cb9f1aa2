// A scene as a picture: solids over background, shading, and what a lens and a sensor do to it.
#pragma once

#include <cstdint>

#include "datasets/synth/scene.h"
#include "engine/io/image.h"

namespace akimbo::synth {

struct Rendering {
  Image image;        // RGB
  DepthBuffer depth;  // what each pixel shows
};
[[nodiscard]] Rendering render(const Scene& scene, std::uint64_t seed, std::uint64_t picture);

}  // namespace akimbo::synth
