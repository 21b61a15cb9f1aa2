#include "kernels/peaks.h"

#include <time.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/peaks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve independent sums hide the latency of every processor known (4 or 5 cycles, 2 per cycle).
// Returns the operations done.
double fma_loop(std::int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  constexpr int kSums = 12;
  const Vector a = hn::Set(d, 1.0f + sink[0]), b = hn::Set(d, 1e-9f);
  // Different starts, or the compiler finds that one sum would do.
  Vector s0 = hn::Set(d, 0.0f), s1 = hn::Set(d, 0.1f), s2 = hn::Set(d, 0.2f);
  Vector s3 = hn::Set(d, 0.3f), s4 = hn::Set(d, 0.4f), s5 = hn::Set(d, 0.5f);
  Vector s6 = hn::Set(d, 0.6f), s7 = hn::Set(d, 0.7f), s8 = hn::Set(d, 0.8f);
  Vector s9 = hn::Set(d, 0.9f), s10 = hn::Set(d, 1.0f), s11 = hn::Set(d, 1.1f);
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
    s10 = hn::MulAdd(s10, a, b);
    s11 = hn::MulAdd(s11, a, b);
  }
  s0 = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(s4, s5));
  s6 = hn::Add(hn::Add(hn::Add(s6, s7), hn::Add(s8, s9)), hn::Add(s10, s11));
  hn::StoreU(hn::Add(s0, s6), d, sink);
  return 2.0 * static_cast<double>(rounds) * kSums * static_cast<double>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(fma_loop);

double seconds_of(Clock clock) {
  timespec now{};
  clock_gettime(clock == Clock::wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double fma_peak_flops(int threads, Clock clock) {
  constexpr std::int64_t kRounds = 400000;
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::vector<double> done(static_cast<std::size_t>(threads));
    const double start = seconds_of(clock);
    parallel_for(threads, 1, [&](std::int64_t i, std::int64_t) {
      alignas(64) float sink[64] = {};
      done[static_cast<std::size_t>(i)] = HWY_DYNAMIC_DISPATCH(fma_loop)(kRounds, sink);
    });
    const double elapsed = seconds_of(clock) - start;
    double sum = 0;
    for (const double operations : done) sum += operations;
    best = std::max(best, sum / elapsed);
  }
  return best;
}

double copy_bandwidth(std::int64_t bytes) {
  constexpr int kRuns = 15;
  const std::vector<char> from(static_cast<std::size_t>(bytes), 1);
  std::vector<char> to(static_cast<std::size_t>(bytes), 2);
  std::vector<double> rates;
  for (int run = 0; run < kRuns; ++run) {
    const double start = seconds_of(Clock::wall);
    parallel_for(bytes, 1 << 17, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
    });
    rates.push_back(2 * static_cast<double>(bytes) / (seconds_of(Clock::wall) - start));
  }
  std::nth_element(rates.begin(), rates.begin() + kRuns / 2, rates.end());
  return rates[kRuns / 2];
}

}  // namespace akimbo::kernels::cpu
#endif
