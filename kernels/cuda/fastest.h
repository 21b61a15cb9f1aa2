// The choice with the least estimated time.
#pragma once

#include <limits>
#include <vector>

namespace akimbo::kernels::cuda {

// The first of equal ones; Choice{} where there are none. time(choice) in any unit.
template <typename Choice, typename Time>
[[nodiscard]] Choice fastest(const std::vector<Choice>& choices, const Time& time) {
  Choice best;
  double best_time = std::numeric_limits<double>::infinity();
  for (const Choice& choice : choices) {
    const double its_time = time(choice);
    if (its_time >= best_time) continue;
    best = choice;
    best_time = its_time;
  }
  return best;
}

}  // namespace akimbo::kernels::cuda
