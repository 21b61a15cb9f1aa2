// Convolution layers of ResNet-50 at 256x192 and the deconvolution head of Simple Baselines: time,
// GFLOP/s and share of the peak that a loop of fused multiply-adds reaches in the same run.
//   conv_bench --benchmark_filter='forward/.*3x3.*' --threads=2
//   conv_bench --threads=1 --clock=thread     on a machine that is busy with other work
//   conv_bench --simd=AVX2                     as on a machine without AVX-512
// Operands stay where the caches leave them between repetitions (no flushing), as in a network,
// where a layer reads what the one before has just written.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/layers.h"
#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/ops/conv.h"
#include "kernels/common/parallel.h"
#include "kernels/conv.h"
#include "kernels/cpu/conv_gather.h"
#include "kernels/cpu/conv_widen.h"
#include "kernels/cpu/simd_target.h"
#include "kernels/peaks.h"

namespace akimbo {
namespace {

kernels::cpu::Clock g_clock = kernels::cpu::Clock::wall;

using Layer = bench::ConvLayer;

// All operands of one layer, filled with small values of both signs.
struct Operands {
  Operands(const Layer& layer, std::int64_t batch)
      : x(Tensor::empty({batch, layer.rows, layer.cols, layer.inputs})),
        w(Tensor::empty({layer.outputs, layer.kernel, layer.kernel, layer.inputs})),
        params{.stride = layer.stride, .padding = layer.padding()} {
    const autograd::NoGrad no_grad;
    fill(x);
    fill(w);
    y = layer.transposed
            ? ops::conv_transpose2d(x, w, {}, {.stride = layer.stride, .padding = 1})
            : ops::conv2d(x, w, {}, {.stride = layer.stride, .padding = params.padding});
    grad_x = Tensor::empty(x.shape());
    grad_w = Tensor::empty(w.shape());
    const std::int64_t sums = layer.transposed ? x.numel() / layer.inputs : y.numel() / y.dim(3);
    flops = 2.0 * static_cast<double>(sums) * static_cast<double>(w.numel());
  }

  static void fill(Tensor& t) {
    float* to = t.data<float>();
    std::uint32_t state = 1;
    for (std::int64_t i = 0; i < t.numel(); ++i) {
      state = state * 1664525u + 1013904223u;
      to[i] = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
    }
  }

  Tensor x, w, y, grad_x, grad_w;
  kernels::Conv2dParams params;
  double flops = 0;
};

template <typename F>
void measure(benchmark::State& state, double flops, const F& f) {
  f();
  std::vector<double> seconds;
  for (auto _ : state) {
    const double start = kernels::cpu::seconds_of(g_clock);
    f();
    seconds.push_back(kernels::cpu::seconds_of(g_clock) - start);
    state.SetIterationTime(seconds.back());
  }
  std::sort(seconds.begin(), seconds.end());
  const double peak = kernels::cpu::fma_peak_flops(kernels::num_threads(), g_clock);
  const auto at = [&](double share) {
    return seconds[static_cast<std::size_t>(share * static_cast<double>(seconds.size() - 1))];
  };
  state.counters["GFLOPs"] = flops / at(0.5) * 1e-9;
  state.counters["peak_GFLOPs"] = peak * 1e-9;
  state.counters["share"] = flops / at(0.5) / peak;
  state.counters["share_p10"] = flops / at(0.1) / peak;
  state.counters["share_p90"] = flops / at(0.9) / peak;
}

// The direct sum, with the weight packed beforehand.
void forward(benchmark::State& state, const Layer& layer, std::int64_t batch) {
  using namespace kernels::cpu;
  Operands o(layer, batch);
  const auto direction =
      layer.transposed ? GatherDirection::big_to_small : GatherDirection::small_to_big;
  Tensor packed = Tensor::empty(
      {gather_packed_numel(direction, GatherSum::inputs, o.w.shape(), DType::f32, o.params)});
  gather_pack(direction, GatherSum::inputs, view_of(o.w), o.params, mutable_view_of(packed));
  measure(state, o.flops, [&] {
    if (widening_pays(o.w.shape(), o.params)) {
      conv2d_forward(exec_of(kCpu), view_of(o.x), {.weight = view_of(o.w)}, {}, o.params,
                     mutable_view_of(o.y));
    } else {
      gather_product(exec_of(kCpu), direction, GatherSum::inputs, view_of(o.x), o.w.shape(),
                     view_of(packed), {}, o.params, mutable_view_of(o.y));
    }
  });
}

// As a training step runs it: the weight is packed each time.
void training_forward(benchmark::State& state, const Layer& layer, std::int64_t batch) {
  Operands o(layer, batch);
  measure(state, o.flops, [&] {
    const auto kernel =
        layer.transposed ? &kernels::cpu::conv_transpose2d_forward : &kernels::cpu::conv2d_forward;
    kernel(exec_of(kCpu), view_of(o.x), {.weight = view_of(o.w)}, {}, o.params,
           mutable_view_of(o.y));
  });
}

// As conv2d_inference runs it, batch norm and ReLU included. Where Winograd's algorithm is used,
// the share of peak counts the operations of the direct sum, and may exceed 1.
void inference(benchmark::State& state, const Layer& layer, std::int64_t batch) {
  Operands o(layer, batch);
  const autograd::NoGrad no_grad;
  ops::PackedConvWeight packed;
  const Tensor ones = Tensor::full({layer.outputs}, 1);
  const ops::ConvEpilogue epilogue{.scale = ones, .shift = ones, .relu = true};
  measure(state, o.flops, [&] {
    if (layer.transposed) {
      (void)ops::conv_transpose2d_inference(
          o.x, o.w, epilogue, {.stride = layer.stride, .padding = o.params.padding}, &packed);
    } else {
      (void)ops::conv2d_inference(o.x, o.w, epilogue,
                                  {.stride = layer.stride, .padding = o.params.padding}, &packed);
    }
  });
}

void input_grad(benchmark::State& state, const Layer& layer, std::int64_t batch) {
  Operands o(layer, batch);
  measure(state, o.flops, [&] {
    const auto kernel = layer.transposed ? &kernels::cpu::conv_transpose2d_input_grad
                                         : &kernels::cpu::conv2d_input_grad;
    kernel(exec_of(kCpu), view_of(o.y), view_of(o.w), o.params, mutable_view_of(o.grad_x));
  });
}

void weight_grad(benchmark::State& state, const Layer& layer, std::int64_t batch) {
  Operands o(layer, batch);
  measure(state, o.flops, [&] {
    const auto kernel = layer.transposed ? &kernels::cpu::conv_transpose2d_weight_grad
                                         : &kernels::cpu::conv2d_weight_grad;
    kernel(exec_of(kCpu), view_of(o.x), view_of(o.y), o.params, mutable_view_of(o.grad_w));
  });
}

using Pass = void(benchmark::State&, const Layer&, std::int64_t);

// Read by bench/peers/race_conv.py.
std::string geometry(const Layer& l, std::int64_t batch) {
  return fmt::format("{},{},{},{},{},{},{},{}", batch, l.rows, l.cols, l.inputs, l.outputs,
                     l.kernel, l.stride, l.transposed ? 1 : 0);
}

void register_all() {
  const std::pair<const char*, Pass*> passes[] = {{"forward", &forward},
                                                  {"training_forward", &training_forward},
                                                  {"inference", &inference},
                                                  {"input_grad", &input_grad},
                                                  {"weight_grad", &weight_grad}};
  for (const auto& [pass_name, pass] : passes) {
    for (const std::int64_t batch : {1, 8}) {
      for (const Layer& layer : bench::resnet50_layers()) {
        const std::string name =
            std::string(pass_name) + "/batch" + std::to_string(batch) + "/" + layer.name;
        benchmark::RegisterBenchmark(name.c_str(), [=, &layer](benchmark::State& state) {
          (*pass)(state, layer, batch);
          state.SetLabel(geometry(layer, batch));
        })->UseManualTime();
      }
    }
  }
}

}  // namespace
}  // namespace akimbo

// Takes out the arguments that are ours.
void parse_own(int& argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--threads=", 10) == 0) {
      akimbo::kernels::set_num_threads(std::atoi(argv[i] + 10));
    } else if (std::strncmp(argv[i], "--clock=", 8) == 0) {
      const bool thread = std::strcmp(argv[i] + 8, "thread") == 0;
      akimbo::g_clock =
          thread ? akimbo::kernels::cpu::Clock::thread : akimbo::kernels::cpu::Clock::wall;
    } else if (std::strncmp(argv[i], "--simd=", 7) == 0) {
      akimbo::kernels::cpu::use_simd_target(argv[i] + 7);
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
}

int main(int argc, char** argv) {
  akimbo::kernels::set_num_threads(2);
  parse_own(argc, argv);
  akimbo::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
