#include "engine/core/random.h"

#include <cmath>
#include <numbers>

namespace akimbo {

std::uint64_t RandomStream::below(std::uint64_t count) {
  // Draws above the largest multiple of count are thrown away.
  const std::uint64_t limit = UINT64_MAX - (UINT64_MAX % count + 1) % count;
  std::uint64_t draw = bits();
  while (draw > limit) draw = bits();
  return draw % count;
}

double RandomStream::normal() {
  const double u = 1.0 - uniform();  // (0, 1]: its logarithm is finite
  const double angle = 2 * std::numbers::pi * uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(angle);
}

}  // namespace akimbo
