// Batch norm of pose_resnet50 at 256x192, batch 8: GB/s of the memory that each pass must touch at
// least once, beside the bandwidth of a plain copy of the same tensor. Caches are warm.
#include <benchmark/benchmark.h>

#include "bench/ops/copy_bandwidth.h"
#include "engine/autograd/node.h"
#include "engine/ops/norm.h"

namespace akimbo::bench {
namespace {

struct Layer {
  const char* name;
  std::int64_t height, width, channels;
};

// Widest tensors of the network, and a deep one that fits a second-level cache.
constexpr Layer kLayers[] = {{"conv1", 128, 96, 64},
                             {"layer1 expand", 64, 48, 256},
                             {"layer2 expand", 32, 24, 512},
                             {"layer4 reduce", 8, 6, 512}};

struct Operands {
  Tensor x, gamma, beta, mean, var, residual;
};

Operands operands(const Layer& layer) {
  const Shape shape{8, layer.height, layer.width, layer.channels};
  const Shape channels{layer.channels};
  Operands o{.x = Tensor::empty(shape),
             .gamma = Tensor::full(channels, 1),
             .beta = Tensor::full(channels, 0.1),
             .mean = Tensor::zeros(channels),
             .var = Tensor::full(channels, 1),
             .residual = Tensor::full(shape, 0.5)};
  for (std::int64_t i = 0; i < o.x.numel(); ++i) {
    o.x.data<float>()[i] = static_cast<float>(i * 2654435761u % 1000) / 500 - 1;
  }
  return o;
}

void report(benchmark::State& state, const Layer& layer, const Tensor& x, double passes) {
  const double bytes = passes * static_cast<double>(x.num_bytes());
  state.SetLabel(layer.name);
  state.counters["GB"] =
      benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["copy_GB_per_s"] = copy_bandwidth_gbs(static_cast<std::int64_t>(x.num_bytes()));
}

// Reads x for the statistics; reads x, residual, writes y.
void forward(benchmark::State& state) {
  const Layer& layer = kLayers[state.range(0)];
  const bool residual = state.range(1) != 0;
  Operands o = operands(layer);
  const autograd::NoGrad no_grad;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var,
                                             {.training = true, .relu = true},
                                             residual ? o.residual : Tensor()));
  }
  report(state, layer, o.x, residual ? 4 : 3);
}

// Sums read x, y, grad_y (and write grad_residual); grad_x reads x, y, grad_y (or x, the masked
// gradient) and is written.
void backward(benchmark::State& state) {
  const Layer& layer = kLayers[state.range(0)];
  const bool residual = state.range(1) != 0;
  Operands o = operands(layer);
  for (Tensor* t : {&o.x, &o.gamma, &o.beta, &o.residual}) t->set_requires_grad();
  for (auto _ : state) {
    state.PauseTiming();
    for (Tensor* t : {&o.x, &o.gamma, &o.beta, &o.residual}) t->set_grad(Tensor());
    const Tensor y =
        ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var, {.training = true, .relu = true},
                        residual ? o.residual : Tensor());
    const Tensor grad_y = y.detach();
    state.ResumeTiming();
    y.backward(grad_y);
  }
  report(state, layer, o.x, 7);
}

void layers(benchmark::internal::Benchmark* b) {
  for (int layer = 0; layer < 4; ++layer) {
    for (const int residual : {0, 1}) b->Args({layer, residual});
  }
  b->ArgNames({"layer", "residual"})->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK(forward)->Apply(layers);
BENCHMARK(backward)->Apply(layers);

}  // namespace
}  // namespace akimbo::bench

BENCHMARK_MAIN();
