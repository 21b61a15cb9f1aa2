// Times on a GPU by its own events. A call is repeated inside a captured graph, so that what is
// measured is the kernel and not its launch, and rotates over sets of operands that together are
// larger than the L2 cache, so that each call reads its operands from memory.
#pragma once

#include <functional>
#include <vector>

#include "engine/core/device.h"

namespace akimbo::bench {

struct Timing {
  double median_us = 0, low_us = 0, high_us = 0;  // 10 and 90 percent
  int calls = 0;                                  // per measurement
};

// Linear between neighbours; q in [0, 1], values not empty.
[[nodiscard]] double quantile(std::vector<double> values, double q);
[[nodiscard]] Timing summary(const std::vector<double>& times_us, int calls);

// How many sets of operands of that size exceed three times the cache, at most 8; at least 1.
[[nodiscard]] int sets_beyond_cache(double bytes_per_set, double cache_bytes);

struct TimerOptions {
  double measurement_ms = 2;  // aim for one measurement
  int measurements = 11;
  int max_calls = 64;
};

class Timer {
 public:
  Timer(Device device, const TimerOptions& options);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Time of call(set), set in [0, num_sets), inside a graph.
  [[nodiscard]] Timing kernel(int num_sets, const std::function<void(int set)>& call);
  // Time of work() as it comes from the host, launches included: of one at a time, each waited for.
  [[nodiscard]] Timing eager(const std::function<void()>& work);

 private:
  [[nodiscard]] double once_us(const std::function<void()>& work);
  [[nodiscard]] Timing repeat(const std::function<void()>& work, int calls);

  Device device_;
  TimerOptions options_;
  void* begin_;
  void* end_;
};

}  // namespace akimbo::bench
