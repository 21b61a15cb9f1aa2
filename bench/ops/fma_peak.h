// The yardstick of compute-bound kernels: floating-point operations per second of f32 fused
// multiply-adds in registers, on so many threads at once.
#pragma once

namespace akimbo::bench {

// Thread time is that of the calling thread: with one thread it gives steady figures on a machine
// that is busy with other work.
enum class Clock { wall, thread };
[[nodiscard]] double seconds_of(Clock clock);

// Measured anew at each call (about 20 ms): clocks move with load and heat.
[[nodiscard]] double fma_peak_flops(int threads, Clock clock);

}  // namespace akimbo::bench
