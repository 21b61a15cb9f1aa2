#include "engine/core/threads.h"

#include "kernels/common/parallel.h"

namespace akimbo {

void set_num_threads(int num_threads) { kernels::set_num_threads(num_threads); }

int num_threads() { return kernels::num_threads(); }

}  // namespace akimbo
