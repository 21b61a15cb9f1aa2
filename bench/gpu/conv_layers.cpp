// Every convolution of the layer lists, three passes each: our kernel, cuDNN's and the autotuner's
// choice where those are there. Checked first against the CPU: forward pass and input gradient on
// the last image of the batch that is timed, the weight gradient on one image.
#include <algorithm>
#include <cmath>
#include <optional>

#include "bench/gpu/providers.h"
#include "bench/gpu/run.h"
#include "bench/gpu/targets.h"
#include "bench/layers.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/common/device_failure.h"
#include "kernels/conv.h"

namespace akimbo::bench {
namespace {

constexpr const char* kPassNames[] = {"forward", "input grad", "weight grad"};

using Pass = ConvPass;
using Operands = ConvCall;

Shape input_shape(const ConvLayer& l, std::int64_t batch) {
  return {batch, l.rows, l.cols, l.inputs};
}
Shape output_shape(const ConvLayer& l, std::int64_t batch) {
  return {batch, l.output_rows(), l.output_cols(), l.outputs};
}

// Runs the pass where the operands lie.
void apply(Operands& o) {
  const Device device = o.x.device();
  const kernels::Exec& exec = exec_of(device);
  const kernels::ConvWeight weight{view_of(o.w), {}};
  switch (o.pass) {
    case Pass::forward: {
      const kernels::View y = mutable_view_of(o.y);
      o.transposed
          ? AKIMBO_KERNEL(device, conv_transpose2d_forward)(exec, view_of(o.x), weight, {},
                                                            o.params, y)
          : AKIMBO_KERNEL(device, conv2d_forward)(exec, view_of(o.x), weight, {}, o.params, y);
      return;
    }
    case Pass::input_grad:
      (o.transposed ? AKIMBO_KERNEL(device, conv_transpose2d_input_grad)
                    : AKIMBO_KERNEL(device, conv2d_input_grad))(exec, view_of(o.y), view_of(o.w),
                                                                o.params, mutable_view_of(o.x));
      return;
    case Pass::weight_grad:
      (o.transposed ? AKIMBO_KERNEL(device, conv_transpose2d_weight_grad)
                    : AKIMBO_KERNEL(device, conv2d_weight_grad))(exec, view_of(o.x), view_of(o.y),
                                                                 o.params, mutable_view_of(o.w));
      return;
  }
}

Tensor& result_of(Operands& o) {
  return o.pass == Pass::forward ? o.y : o.pass == Pass::input_grad ? o.x : o.w;
}

// Weights are scaled so that results have the size of the operands.
Operands make_operands(const ConvLayer& l, std::int64_t batch, DType dtype, Device device,
                       std::uint64_t seed) {
  const double scale = 1 / std::sqrt(static_cast<double>(l.inputs * l.kernel * l.kernel));
  return {Pass::forward,
          l.transposed,
          {.stride = l.stride, .padding = l.padding()},
          random_tensor(input_shape(l, batch), dtype, device, seed),
          random_tensor({l.outputs, l.kernel, l.kernel, l.inputs}, dtype, device, seed + 1,
                        -2 * scale, 2 * scale),
          random_tensor(output_shape(l, batch), dtype, device, seed + 2)};
}

Tensor to_reference(const Tensor& t) { return t.to(kCpu).to(DType::f32); }

double check(Operands operands) {
  const bool weight_grad = operands.pass == Pass::weight_grad;
  if (weight_grad) {
    operands.x = operands.x.rows(0, 1);
    operands.y = operands.y.rows(0, 1);
  }
  const std::int64_t last = operands.x.dim(0) - 1;
  Operands reference = operands;
  reference.x = to_reference(operands.x.rows(last, last + 1));
  reference.w = to_reference(operands.w);
  reference.y = to_reference(operands.y.rows(last, last + 1));
  Tensor& result = result_of(operands);
  result = Tensor::full(result.shape(), NAN, result.dtype(), result.device());
  apply(operands);
  apply(reference);
  return relative_error(weight_grad ? result : result.rows(last, last + 1), result_of(reference));
}

Timing time_pass(Run& run, std::vector<Operands>& sets, const std::function<void(Operands&)>& f) {
  return run.timer.kernel(static_cast<int>(sets.size()),
                          [&](int set) { f(sets[static_cast<std::size_t>(set)]); });
}

// The fastest of cuDNN's algorithms; nothing where none runs.
std::optional<Timing> time_cudnn(Run& run, std::vector<Operands>& sets) {
  std::optional<Timing> best;
  for (const int algorithm : cudnn_algorithms(sets[0])) {
    try {
      const Timing t = time_pass(run, sets, [&](Operands& o) { run_cudnn(o, algorithm); });
      if (!best || t.median_us < best->median_us) best = t;
    } catch (const kernels::DeviceFailure&) {
      // Listed, but refused for this shape.
    }
  }
  return best;
}

// Both kinds of our kernels where there are two; wgmma stays on for the autotuner.
void measure_own(Run& run, bool wgmma, std::vector<Operands>& sets, Row& row) {
  use_conv_provider(ConvProvider::own);
  if (!wgmma) {
    row.error = check(sets[0]);
    row.own = time_pass(run, sets, apply);
    return;
  }
  for (const bool use : {false, true}) {
    use_wgmma(use);
    const double error = check(sets[0]);
    if (!std::isnan(row.error) && !(error <= row.error)) row.error = error;
    (use ? row.wgmma : row.mma) = time_pass(run, sets, apply);
  }
  row.own = row.wgmma->median_us <= row.mma->median_us ? *row.wgmma : *row.mma;
}

void measure(Run& run, bool wgmma, std::vector<Operands>& sets, Row& row) {
  measure_own(run, wgmma, sets, row);
  row.vendor = time_cudnn(run, sets);
  use_conv_provider(ConvProvider::tuned);
  row.tuned = time_pass(run, sets, apply);
}

Kind kind_of(const ConvLayer& l) {
  if (l.transposed) return Kind::deconv;
  if (l.inputs == 3) return Kind::stem;
  return std::max(l.inputs, l.outputs) <= 64 ? Kind::narrow : Kind::other;
}

// A layer of the same kind that an emulator gets through.
ConvLayer shrunk(ConvLayer l) {
  l.rows = std::max<std::int64_t>(2, l.rows / 32);
  l.cols = std::max<std::int64_t>(2, l.cols / 32);
  l.inputs = l.inputs > 16 ? 16 : l.inputs;
  l.outputs = l.outputs > 16 ? 16 : l.outputs;
  return l;
}

void run_layer(Run& run, bool wgmma, const std::string& section, const ConvLayer& full) {
  const ConvLayer layer = run.settings.quick ? shrunk(full) : full;
  const std::int64_t batch = run.settings.quick ? 1 : run.settings.batch;
  const DType dtype = DType::bf16;
  std::vector<Operands> sets;
  for (const Pass pass : {Pass::forward, Pass::input_grad, Pass::weight_grad}) {
    Row row{.section = section,
            .name = full.name,
            .pass = kPassNames[static_cast<int>(pass)],
            .dtype = "bf16",
            .kind = kind_of(full)};
    const bool special = row.kind == Kind::deconv || row.kind == Kind::stem;
    row.wanted_over_vendor = special ? kWantedSpecial : kWantedLeast;
    run.row(row, [&](Row& r) {
      if (sets.empty()) {
        sets.push_back(make_operands(layer, batch, dtype, run.device, 1));
        const double bytes = bytes_of(sets[0].x) + bytes_of(sets[0].y);
        const int count = run.settings.quick ? 2 : sets_beyond_cache(bytes, run.l2_bytes);
        for (int i = 1; i < count; ++i) {
          sets.push_back(make_operands(layer, batch, dtype, run.device, 3 * std::uint64_t(i) + 1));
        }
      }
      for (Operands& o : sets) o.pass = pass;
      r.flops = layer.flops() * static_cast<double>(batch);
      r.bytes = bytes_of(sets[0].x) + bytes_of(sets[0].y) + bytes_of(sets[0].w);
      measure(run, wgmma, sets, r);
    });
  }
}

}  // namespace

void run_conv_layers(Run& run) {
  const KeepWgmmaSetting kept;
  const bool wgmma = has_wgmma(run.device);
  const auto each = [&](const std::string& network, std::span<const ConvLayer> layers) {
    const std::string section =
        network + " layers, batch " + std::to_string(run.settings.quick ? 1 : run.settings.batch);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (run.settings.quick && i % 6 != 0 && !layers[i].transposed) continue;
      run_layer(run, wgmma, section, layers[i]);
    }
    run.report.print(section);
  };
  each("pose_resnet50 256x192", resnet50_layers());
  each("HRNet-W32 256x192", hrnet_w32_layers());
}

}  // namespace akimbo::bench
