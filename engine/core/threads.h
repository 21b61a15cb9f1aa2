// How many threads the CPU work of this process uses.
#pragma once

namespace akimbo {

// 0 restores the default: all cores, or OMP_NUM_THREADS. Results do not depend on it.
void set_num_threads(int num_threads);
[[nodiscard]] int num_threads();

}  // namespace akimbo
