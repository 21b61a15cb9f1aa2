// Pooling of pose_resnet50 at 256x192, batch 8: GB/s of x and y each touched once, beside a plain
// copy of x. Caches are warm.
#include <benchmark/benchmark.h>

#include "bench/ops/copy_bandwidth.h"
#include "engine/autograd/node.h"
#include "engine/ops/pool.h"

namespace akimbo::bench {
namespace {

constexpr ops::Pool2dOptions kStem{.kernel = 3, .stride = 2, .padding = 1};

Tensor stem_output() {
  Tensor x = Tensor::empty({8, 128, 96, 64});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(i * 2654435761u % 1000) / 500 - 1;
  }
  return x;
}

void report(benchmark::State& state, double bytes, const Tensor& x) {
  state.counters["GB"] =
      benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["copy_GB_per_s"] = copy_bandwidth_gbs(static_cast<std::int64_t>(x.num_bytes()));
}

void max_pool_forward(benchmark::State& state) {
  const Tensor x = stem_output();
  for (auto _ : state) benchmark::DoNotOptimize(ops::max_pool2d(x, kStem));
  report(state, 1.25 * static_cast<double>(x.num_bytes()), x);
}

void max_pool_backward(benchmark::State& state) {
  Tensor x = stem_output();
  x.set_requires_grad();
  for (auto _ : state) {
    state.PauseTiming();
    x.set_grad(Tensor());
    const Tensor y = ops::max_pool2d(x, kStem);
    const Tensor grad_y = y.detach();
    state.ResumeTiming();
    y.backward(grad_y);
  }
  report(state, 1.3125 * static_cast<double>(x.num_bytes()), x);  // with one byte of index
}

void avg_pool_forward(benchmark::State& state) {
  const Tensor x = stem_output();
  for (auto _ : state) benchmark::DoNotOptimize(ops::avg_pool2d(x, kStem));
  report(state, 1.25 * static_cast<double>(x.num_bytes()), x);
}

BENCHMARK(max_pool_forward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(max_pool_backward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(avg_pool_forward)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace akimbo::bench

BENCHMARK_MAIN();
