// Yardsticks of this machine: what the speed of a kernel is a share of.
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// Thread time is that of the calling thread: with one thread it gives steady figures on a machine
// that is busy with other work.
enum class Clock { wall, thread };
[[nodiscard]] double seconds_of(Clock clock);

// Floating-point operations per second of f32 fused multiply-adds in registers, on so many threads
// at once. Measured anew at each call (about 20 ms): clocks move with load and heat.
[[nodiscard]] double fma_peak_flops(int threads, Clock clock);

// Bytes per second (read plus written) of copying `bytes` bytes with the threads of parallel_for,
// median of several runs.
[[nodiscard]] double copy_bandwidth(std::int64_t bytes);

}  // namespace akimbo::kernels::cpu
