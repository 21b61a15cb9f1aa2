// The random numbers of one picture: a function of (seed, picture, purpose) and of how many were
// drawn, so pictures can be made in any order and by any thread.
#pragma once

#include <cstdint>

#include "engine/core/random.h"

namespace akimbo::synth {

// One independent stream per use, so that a change in one part leaves the others as they were.
enum class Purpose : std::uint64_t { layout, bodies, clothes, background, objects, lens, encoding };

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t picture, Purpose purpose)
      : stream_(seed, picture, static_cast<std::uint64_t>(purpose)) {}

  std::uint64_t bits() { return stream_.bits(); }
  float uniform() { return static_cast<float>(stream_.bits() >> 40) * 0x1p-24f; }  // [0, 1)
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  int below(int count) {  // 0 .. count - 1
    return static_cast<int>(stream_.below(static_cast<std::uint64_t>(count)));
  }
  bool chance(float probability) { return uniform() < probability; }
  // Sum of four uniforms: mean 0, deviation 1, never beyond +-3.47. Bounded tails keep joints
  // inside their range.
  float normal() {
    float sum = -2;
    for (int i = 0; i < 4; ++i) sum += uniform();
    return sum * 1.7320508f;
  }
  float normal(float mean, float deviation) { return mean + deviation * normal(); }

 private:
  RandomStream stream_;
};

}  // namespace akimbo::synth
