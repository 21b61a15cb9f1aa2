// Sums over parts, for batch normalisation: parts [P, 2, C], two numbers per part and channel, are
// added in double in an order that depends on P only. A block takes kPartChannels channels, which
// are whole 32-byte sectors, and kPartLanes threads share the parts of each: the parts are few
// hundred, so the time is that of a few loads one after another.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

inline constexpr int kPartChannels = 8;
inline constexpr int kPartLanes = 32;

[[nodiscard]] inline LaunchShape parts_shape(std::int64_t channels) {
  return {.grid = {blocks_for(channels, kPartChannels)}, .block = {kPartChannels, kPartLanes}};
}

struct PartTotals {
  double first, second;
};

// load(part, channel) gives a part's two numbers in double. The totals are those of the threads
// with threadIdx.y = 0. Every thread of the block calls it.
template <typename Load>
__device__ __forceinline__ PartTotals add_parts(std::int64_t num_parts, std::int64_t channel,
                                                std::int64_t channels, const Load& load) {
  AKIMBO_SHARED_ARRAY(double, shared, 2 * kPartChannels * kPartLanes);
  PartTotals total{0, 0};
  if (channel < channels) {
#pragma unroll 4
    for (std::int64_t part = threadIdx.y; part < num_parts; part += kPartLanes) {
      const PartTotals next = load(part, channel);
      total.first += next.first;
      total.second += next.second;
    }
  }
  const int thread = thread_in_block();
  double* first = shared;
  double* second = shared + kPartChannels * kPartLanes;
  first[thread] = total.first;
  second[thread] = total.second;
  sync_block();
  for (int half = kPartLanes / 2; half > 0; half /= 2) {
    if (static_cast<int>(threadIdx.y) < half) {
      first[thread] += first[thread + half * kPartChannels];
      second[thread] += second[thread + half * kPartChannels];
    }
    sync_block();
  }
  return {first[thread], second[thread]};
}

}  // namespace akimbo::kernels::device
