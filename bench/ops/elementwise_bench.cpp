// Elementwise functions on feature maps of pose_resnet50 at 256x192, batch 8, and on one that fits
// a second-level cache: GB/s of every operand touched once, beside a plain copy. Caches are warm.
#include <benchmark/benchmark.h>

#include "bench/ops/copy_bandwidth.h"
#include "engine/ops/elementwise.h"

namespace akimbo::bench {
namespace {

// conv1, and layer4 after its first convolution.
const Shape kShapes[] = {{8, 128, 96, 64}, {8, 8, 6, 512}};

template <typename F>
void measure(benchmark::State& state, double operands, const F& f) {
  const Tensor x = Tensor::full(kShapes[state.range(0)], 0.25);
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
  const double bytes = operands * static_cast<double>(x.num_bytes());
  state.counters["GB"] =
      benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["copy_GB_per_s"] = copy_bandwidth_gbs(static_cast<std::int64_t>(x.num_bytes()));
}

void relu(benchmark::State& state) {
  measure(state, 2, [](const Tensor& x) { return ops::relu(x); });
}
void add(benchmark::State& state) {
  const Tensor b = Tensor::full(kShapes[state.range(0)], 1);
  measure(state, 3, [&](const Tensor& x) { return ops::add(x, b); });
}
void add_channels(benchmark::State& state) {
  const Tensor b = Tensor::full({kShapes[state.range(0)][-1]}, 1);
  measure(state, 2, [&](const Tensor& x) { return ops::add_channels(x, b); });
}
void sigmoid(benchmark::State& state) {
  measure(state, 2, [](const Tensor& x) { return ops::sigmoid(x); });
}

BENCHMARK(relu)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(add)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(add_channels)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(sigmoid)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace akimbo::bench

BENCHMARK_MAIN();
