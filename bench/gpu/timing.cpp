#include "bench/gpu/timing.h"

#include <algorithm>
#include <cmath>

#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "kernels/device_runtime.h"

namespace akimbo::bench {

namespace cuda = kernels::cuda;

namespace {

// Calls of kernels recorded as a graph, with the scratch memory that they took.
class Recording {
 public:
  Recording(Device device, const std::function<void()>& work)
      : stream_(stream_of(device)), pool_(device) {
    const MemoryPool::Scope scope(pool_);
    cuda::begin_capture(stream_);
    try {
      work();
    } catch (...) {
      cuda::abort_capture(stream_);
      throw;
    }
    graph_ = cuda::end_capture(stream_);
  }
  ~Recording() { cuda::destroy_graph(graph_); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  void replay() { cuda::launch_graph(graph_, stream_); }

 private:
  cuda::Stream stream_;
  MemoryPool pool_;
  cuda::Graph graph_ = nullptr;
};

}  // namespace

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

Timing summary(const std::vector<double>& times_us, int calls) {
  return {quantile(times_us, 0.5), quantile(times_us, 0.1), quantile(times_us, 0.9), calls};
}

int sets_beyond_cache(double bytes_per_set, double cache_bytes) {
  const double sets = std::ceil(3 * cache_bytes / std::max(1.0, bytes_per_set));
  return static_cast<int>(std::clamp(sets, 1.0, 8.0));
}

Timer::Timer(Device device, const TimerOptions& options)
    : device_(device),
      options_(options),
      begin_(cuda::create_event(device.index)),
      end_(cuda::create_event(device.index)) {}

Timer::~Timer() {
  cuda::destroy_event(begin_);
  cuda::destroy_event(end_);
}

double Timer::once_us(const std::function<void()>& work) {
  void* const stream = stream_of(device_);
  cuda::record_event(begin_, stream);
  work();
  cuda::record_event(end_, stream);
  cuda::synchronize_event(end_);
  return 1000 * cuda::elapsed_ms(begin_, end_);
}

Timing Timer::repeat(const std::function<void()>& work, int calls) {
  std::vector<double> times;
  for (int i = 0; i < options_.measurements; ++i) times.push_back(once_us(work) / calls);
  return summary(times, calls);
}

Timing Timer::kernel(int num_sets, const std::function<void(int set)>& call) {
  call(0);  // what is made at first use is made now
  synchronize(device_);
  const double one_us = once_us([&] { call(num_sets - 1); });
  const double wanted = options_.measurement_ms * 1000 / std::max(one_us, 1.0);
  const int calls = static_cast<int>(std::clamp(wanted, 1.0, double(options_.max_calls)));
  Recording recording(device_, [&] {
    for (int i = 0; i < calls; ++i) call(i % num_sets);
  });
  recording.replay();
  return repeat([&] { recording.replay(); }, calls);
}

Timing Timer::eager(const std::function<void()>& work) {
  work();
  synchronize(device_);
  return repeat(work, 1);
}

}  // namespace akimbo::bench
