// Yardstick of ops that move memory: what a plain copy reaches on this machine.
#pragma once

#include <cstdint>

namespace akimbo::bench {

// GB/s (read plus written) of copying `bytes` bytes with the threads of parallel_for, median of
// several runs. Measured once per size and kept.
[[nodiscard]] double copy_bandwidth_gbs(std::int64_t bytes);

}  // namespace akimbo::bench
