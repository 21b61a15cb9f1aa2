// Kernels that move memory: what they reach of the bandwidth that a copy reaches. Bytes are those
// of the operands, each read or written once. Checked first: the same call on the CPU, in f32, on a
// small batch.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/gpu/providers.h"
#include "bench/gpu/run.h"
#include "bench/gpu/targets.h"
#include "engine/core/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/heatmap.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/pool.h"
#include "kernels/resample.h"
#include "kernels/softmax.h"
#include "kernels/warp.h"

namespace akimbo::bench {
namespace {

using Tensors = std::vector<Tensor>;

struct Input {
  Shape shape;
  DType dtype = DType::f32;
  double low = -1, high = 1;
};

struct Case {
  std::string name;
  std::function<std::vector<Input>(std::int64_t batch)> inputs;
  // Makes the outputs and runs the kernel where the inputs lie.
  std::function<Tensors(Tensors&)> apply;
  // What the outputs are compared by; -1: all of them.
  int checked_outputs = -1;
  // Of operands that the kernel does not touch as a whole, or updates in place.
  std::function<double(const Tensors& inputs)> bytes = {};
  // Statistics by themselves no vendor has.
  [[nodiscard]] bool has_vendor() const {
    return name.starts_with("batch norm") && name != "batch norm statistics";
  }
};

Tensors make_inputs(const Case& c, std::int64_t batch, Device device, std::uint64_t seed) {
  Tensors inputs;
  for (const Input& input : c.inputs(batch)) {
    inputs.push_back(
        random_tensor(input.shape, input.dtype, device, seed++, input.low, input.high));
  }
  return inputs;
}

// On the CPU in f32 where maps have 16 bits.
Tensor for_reference(const Tensor& t) {
  const bool half = t.dtype() == DType::bf16 || t.dtype() == DType::f16;
  const Tensor on_cpu = t.to(kCpu);
  return half ? on_cpu.to(DType::f32) : on_cpu.clone();
}

double check(const Run& run, const Case& c) {
  Tensors inputs = make_inputs(c, 2, run.device, 11);
  Tensors reference;
  for (const Tensor& t : inputs) reference.push_back(for_reference(t));
  const Tensors got = c.apply(inputs), wanted = c.apply(reference);
  const std::size_t count = c.checked_outputs < 0 ? got.size() : std::size_t(c.checked_outputs);
  double worst = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double error = relative_error(got[i], wanted[i]);
    worst = std::isnan(error) ? error : std::max(worst, error);
  }
  return worst;
}

double all_bytes(const Tensors& inputs, const Tensors& outputs) {
  double bytes = 0;
  for (const Tensor& t : inputs) bytes += bytes_of(t);
  for (const Tensor& t : outputs) bytes += bytes_of(t);
  return bytes;
}

void run_case(Run& run, const std::string& section, const Case& c) {
  const std::int64_t batch = run.settings.quick ? 2 : run.settings.batch;
  Row row{.section = section, .name = c.name};
  row.dtype = dtype_name(c.inputs(1).front().dtype);
  row.wanted_share = kWantedShare;
  use_conv_provider(ConvProvider::own);
  run.row(row, [&](Row& r) {
    r.error = check(run, c);
    std::vector<Tensors> sets = {make_inputs(c, batch, run.device, 100)};
    r.bytes = c.bytes ? c.bytes(sets[0]) : all_bytes(sets[0], c.apply(sets[0]));
    const int count = run.settings.quick ? 2 : sets_beyond_cache(r.bytes, run.l2_bytes);
    for (int i = 1; i < count; ++i) {
      sets.push_back(make_inputs(c, batch, run.device, 100 + 10 * std::uint64_t(i)));
    }
    const auto time = [&] {
      return run.timer.kernel(count, [&](int set) { (void)c.apply(sets[std::size_t(set)]); });
    };
    r.own = time();
    if (!c.has_vendor() || cudnn_version().empty()) return;
    use_conv_provider(ConvProvider::vendor);
    r.vendor = time();
  });
}

Tensor like(const Tensor& t) { return Tensor::empty(t.shape(), t.dtype(), t.device()); }
Tensor output(const Tensors& in, const Shape& shape, DType dtype) {
  return Tensor::empty(shape, dtype, in[0].device());
}

// Sizes of the two networks' feature maps; `quick` ones keep the kind of shape.
struct Sizes {
  std::int64_t h, w, c;        // of a feature map
  std::int64_t map_h, map_w;   // of heatmaps
  std::int64_t depth;          // of volumes
  std::int64_t bins, weights;  // of a softmax; elements of an optimiser's step
  std::int64_t crop_h, crop_w;
  std::int64_t volume_divisor;  // of the batch, for volumes
};
Sizes sizes_of(bool quick) {
  if (quick) return {4, 6, 16, 8, 6, 4, 40, 3000, 16, 12, 1};
  return {64, 48, 256, 64, 48, 64, 384, 34'000'000, 256, 192, 8};
}

constexpr DType kMaps = DType::bf16;
constexpr std::int64_t kKeypoints = 17;

void add_feature_cases(std::vector<Case>& cases, const Sizes& s) {
  const auto maps = [s](std::int64_t n) { return Input{{n, s.h, s.w, s.c}, kMaps}; };
  const Input vector{{s.c}, DType::f32, 0.5, 1.5};
  cases.push_back({"add",
                   [=](std::int64_t n) {
                     return std::vector<Input>{maps(n), maps(n)};
                   },
                   [](Tensors& in) {
                     Tensor y = like(in[0]);
                     AKIMBO_KERNEL(y.device(), add_forward)
                     (exec_of(y.device()), view_of(in[0]), view_of(in[1]), mutable_view_of(y));
                     return Tensors{y};
                   }});
  cases.push_back({"batch norm statistics",
                   [=](std::int64_t n) { return std::vector<Input>{maps(n)}; },
                   [s](Tensors& in) {
                     Tensor mean = output(in, {s.c}, DType::f32), invstd = like(mean);
                     AKIMBO_KERNEL(mean.device(), batch_norm_statistics)
                     (exec_of(mean.device()), view_of(in[0]), {}, mutable_view_of(mean),
                      mutable_view_of(invstd), {}, {});
                     return Tensors{invstd};  // means are near 0: their relative error says nothing
                   }});
  // The map is read twice, for the statistics and to be normalised: it is larger than the cache.
  cases.push_back({"batch norm in training + ReLU",
                   [=](std::int64_t n) {
                     return std::vector<Input>{maps(n), vector, vector};
                   },
                   [s](Tensors& in) {
                     Tensor y = like(in[0]), mean = output(in, {s.c}, in[1].dtype());
                     Tensor invstd = like(mean);
                     AKIMBO_KERNEL(y.device(), batch_norm_training)
                     (exec_of(y.device()),
                      {.x = view_of(in[0]),
                       .gamma = view_of(in[1]),
                       .beta = view_of(in[2]),
                       .residual = {},
                       .relu = true},
                      {.mean = mutable_view_of(mean),
                       .invstd = mutable_view_of(invstd),
                       .y = mutable_view_of(y)});
                     return Tensors{y, invstd};
                   },
                   -1, [](const Tensors& in) { return 3 * bytes_of(in[0]); }});
  for (const bool residual : {false, true}) {
    cases.push_back({residual ? "batch norm + residual + ReLU" : "batch norm + ReLU",
                     [=](std::int64_t n) {
                       std::vector<Input> in{maps(n), vector, vector, vector, vector};
                       if (residual) in.push_back(maps(n));
                       return in;
                     },
                     [residual](Tensors& in) {
                       Tensor y = like(in[0]);
                       kernels::BatchNormForwardArgs args{.x = view_of(in[0]),
                                                          .mean = view_of(in[1]),
                                                          .invstd = view_of(in[2]),
                                                          .gamma = view_of(in[3]),
                                                          .beta = view_of(in[4]),
                                                          .relu = true};
                       if (residual) args.residual = view_of(in[5]);
                       AKIMBO_KERNEL(y.device(), batch_norm_forward)
                       (exec_of(y.device()), args, mutable_view_of(y));
                       return Tensors{y};
                     }});
  }
  cases.push_back({"batch norm + ReLU gradient",
                   [=](std::int64_t n) {
                     return std::vector<Input>{maps(n), vector, vector, vector, maps(n), maps(n)};
                   },
                   [s](Tensors& in) {
                     Tensor grad_x = like(in[0]);
                     Tensor gamma = output(in, {s.c}, DType::f32), beta = like(gamma);
                     const kernels::BatchNormGradArgs args{.x = view_of(in[0]),
                                                           .mean = view_of(in[1]),
                                                           .invstd = view_of(in[2]),
                                                           .gamma = view_of(in[3]),
                                                           .y = view_of(in[4]),
                                                           .grad_y = view_of(in[5]),
                                                           .training = true,
                                                           .grad_x = mutable_view_of(grad_x),
                                                           .grad_gamma = mutable_view_of(gamma),
                                                           .grad_beta = mutable_view_of(beta)};
                     AKIMBO_KERNEL(gamma.device(), batch_norm_grad)
                     (exec_of(gamma.device()), args);
                     return Tensors{grad_x, gamma, beta};
                   },
                   1});
  const kernels::PoolParams pool{
      .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};
  cases.push_back({"max pool 3x3 s2",
                   [=](std::int64_t n) {
                     return std::vector<Input>{{{n, 2 * s.h, 2 * s.w, s.c / 4}, kMaps}};
                   },
                   [s, pool](Tensors& in) {
                     const Shape out{in[0].dim(0), s.h, s.w, s.c / 4};
                     Tensor y = output(in, out, in[0].dtype()), index = output(in, out, DType::u8);
                     AKIMBO_KERNEL(y.device(), max_pool2d_forward)
                     (exec_of(y.device()), view_of(in[0]), pool, mutable_view_of(y),
                      mutable_view_of(index));
                     return Tensors{y, index};
                   },
                   1});
  cases.push_back(
      {"max pool gradient",
       [=](std::int64_t n) {
         const Shape out{n, s.h, s.w, s.c / 4};
         return std::vector<Input>{{out, kMaps}, {out, DType::u8, 4, 9}};
       },
       [s, pool](Tensors& in) {
         Tensor x = output(in, {in[0].dim(0), 2 * s.h, 2 * s.w, s.c / 4}, in[0].dtype());
         AKIMBO_KERNEL(x.device(), max_pool2d_input_grad)
         (exec_of(x.device()), view_of(in[0]), view_of(in[1]), pool, mutable_view_of(x));
         return Tensors{x};
       }});
  cases.push_back({"resize x2 + add + ReLU",
                   [=](std::int64_t n) {
                     return std::vector<Input>{{{n, s.h / 2, s.w / 2, s.c}, kMaps}, maps(n)};
                   },
                   [](Tensors& in) {
                     Tensor y = like(in[1]);
                     AKIMBO_KERNEL(y.device(), resize_add_forward)
                     (exec_of(y.device()), view_of(in[0]), kernels::ResizeMode::nearest,
                      view_of(in[1]), true, mutable_view_of(y));
                     return Tensors{y};
                   }});
  cases.push_back({"softmax",
                   [=](std::int64_t n) {
                     return std::vector<Input>{{{n * kKeypoints * 2, s.bins}, kMaps, -4, 4}};
                   },
                   [](Tensors& in) {
                     Tensor y = like(in[0]);
                     AKIMBO_KERNEL(y.device(), softmax_forward)
                     (exec_of(y.device()), view_of(in[0]), mutable_view_of(y));
                     return Tensors{y};
                   }});
}

void add_soft_argmax_cases(std::vector<Case>& cases, const Sizes& s) {
  for (const bool volume : {false, true}) {
    const std::int64_t axes = volume ? 3 : 2, depth = volume ? s.depth : 1;
    const DType dtype = volume ? kMaps : DType::f32;
    const auto maps = [=](std::int64_t n) {
      const std::int64_t images = volume ? std::max<std::int64_t>(1, n / s.volume_divisor) : n;
      return Input{{images, s.map_h, s.map_w, kKeypoints * depth}, dtype, -4, 4};
    };
    const std::string name = volume ? "soft-argmax 3-D" : "soft-argmax 2-D";
    cases.push_back({name, [=](std::int64_t n) { return std::vector<Input>{maps(n)}; },
                     [=](Tensors& in) {
                       Tensor coords = output(in, {in[0].dim(0), kKeypoints, axes}, DType::f32);
                       Tensor norm = output(in, {in[0].dim(0), kKeypoints, 2}, DType::f32);
                       AKIMBO_KERNEL(norm.device(), soft_argmax_forward)
                       (exec_of(norm.device()), view_of(in[0]), mutable_view_of(coords),
                        mutable_view_of(norm));
                       return Tensors{coords, norm};
                     }});
    cases.push_back({name + " gradient",
                     [=](std::int64_t n) {
                       const std::int64_t images = maps(n).shape[0];
                       return std::vector<Input>{maps(n),
                                                 {{images, kKeypoints, axes}, DType::f32, 0, 9},
                                                 {{images, kKeypoints, 2}, DType::f32, 0.5, 1},
                                                 {{images, kKeypoints, axes}, DType::f32}};
                     },
                     [](Tensors& in) {
                       Tensor grad_x = like(in[0]);
                       AKIMBO_KERNEL(grad_x.device(), soft_argmax_input_grad)
                       (exec_of(grad_x.device()), view_of(in[0]), view_of(in[1]), view_of(in[2]),
                        view_of(in[3]), mutable_view_of(grad_x));
                       return Tensors{grad_x};
                     }});
  }
}

void add_heatmap_cases(std::vector<Case>& cases, const Sizes& s) {
  const auto maps = [s](std::int64_t n) {
    return Input{{n, s.map_h, s.map_w, kKeypoints}, DType::f32};
  };
  cases.push_back({"heatmap arg-max + quarter offset",
                   [=](std::int64_t n) { return std::vector<Input>{maps(n)}; },
                   [](Tensors& in) {
                     Tensor peaks = output(in, {in[0].dim(0), kKeypoints, 3}, DType::f32);
                     AKIMBO_KERNEL(peaks.device(), heatmap_decode)
                     (exec_of(peaks.device()), view_of(in[0]), {}, mutable_view_of(peaks));
                     return Tensors{peaks};
                   }});
  cases.push_back({"heatmap peaks, NMS 5x5, top 30",
                   [=](std::int64_t n) { return std::vector<Input>{maps(n)}; },
                   [](Tensors& in) {
                     const std::int64_t n = in[0].dim(0);
                     Tensor score = output(in, {n, kKeypoints, 30}, DType::f32);
                     Tensor location = output(in, {n, kKeypoints, 30, 2}, DType::i32);
                     Tensor count = output(in, {n, kKeypoints}, DType::i32);
                     AKIMBO_KERNEL(score.device(), heatmap_peaks)
                     (exec_of(score.device()), view_of(in[0]), {.window = 5, .threshold = 0.9},
                      mutable_view_of(score), mutable_view_of(location), mutable_view_of(count));
                     return Tensors{score, location, count};
                   },
                   1});
  cases.push_back({"average with the mirrored pass",
                   [=](std::int64_t n) {
                     return std::vector<Input>{maps(n), maps(n)};
                   },
                   [](Tensors& in) {
                     std::vector<int> permutation(kKeypoints);
                     std::iota(permutation.begin(), permutation.end(), 0);
                     for (std::size_t k = 1; k + 1 < permutation.size(); k += 2) {
                       std::swap(permutation[k], permutation[k + 1]);
                     }
                     Tensor y = like(in[0]);
                     AKIMBO_KERNEL(y.device(), heatmap_unflip)
                     (exec_of(y.device()), view_of(in[0]), view_of(in[1]),
                      {.permutation = permutation, .shift = true}, mutable_view_of(y));
                     return Tensors{y};
                   }});
  cases.push_back(
      {"Gaussian targets",
       [=](std::int64_t n) {
         return std::vector<Input>{{{n, kKeypoints, 2}, DType::f64, 0, 180},
                                   {{n, kKeypoints}, DType::f32, 0.6, 1}};
       },
       [s](Tensors& in) {
         Tensor y = output(in, {in[0].dim(0), s.map_h, s.map_w, kKeypoints}, DType::f32);
         AKIMBO_KERNEL(y.device(), heatmap_encode)
         (exec_of(y.device()), view_of(in[0]), {}, mutable_view_of(in[1]), mutable_view_of(y));
         return Tensors{y};
       }});
  cases.push_back({"joints MSE",
                   [=](std::int64_t n) {
                     return std::vector<Input>{maps(n), maps(n), {{n, kKeypoints}, DType::f32, 0}};
                   },
                   [](Tensors& in) {
                     const Shape flat{in[0].dim(0), in[0].dim(1) * in[0].dim(2), kKeypoints};
                     Tensor loss = output(in, {1}, DType::f32);
                     AKIMBO_KERNEL(loss.device(), joints_mse_forward)
                     (exec_of(loss.device()), view_of(in[0].view(flat)), view_of(in[1].view(flat)),
                      view_of(in[2]), mutable_view_of(loss));
                     return Tensors{loss};
                   }});
  cases.push_back(
      {"joints MSE gradient",
       [=](std::int64_t n) {
         return std::vector<Input>{
             maps(n), maps(n), {{n, kKeypoints}, DType::f32, 0}, {{1}, DType::f32, 1, 2}};
       },
       [](Tensors& in) {
         const Shape flat{in[0].dim(0), in[0].dim(1) * in[0].dim(2), kKeypoints};
         Tensor grad = output(in, flat, DType::f32);
         AKIMBO_KERNEL(grad.device(), joints_mse_input_grad)
         (exec_of(grad.device()), view_of(in[0].view(flat)), view_of(in[1].view(flat)),
          view_of(in[2]), view_of(in[3]), mutable_view_of(grad));
         return Tensors{grad};
       }});
}

// Pictures at about the scale of the crop, so that the bytes of the picture are read once.
void add_crop_cases(std::vector<Case>& cases, const Sizes& s) {
  for (const bool exact : {true, false}) {
    cases.push_back({exact ? "crop, bit-exact" : "crop, fast",
                     [=](std::int64_t n) {
                       return std::vector<Input>{{{n, s.crop_h, s.crop_w, 3}, DType::u8, 0, 256},
                                                 {{3, 256}, DType::f32, -2, 2}};
                     },
                     [=](Tensors& in) {
                       const std::int64_t n = in[0].dim(0), size = s.crop_h * s.crop_w * 3;
                       Tensor y = output(in, {n, s.crop_h, s.crop_w, 3}, DType::f32);
                       std::vector<kernels::CropItem> items(static_cast<std::size_t>(n));
                       for (std::int64_t i = 0; i < n; ++i) {
                         kernels::CropItem& item = items[static_cast<std::size_t>(i)];
                         const auto* picture = static_cast<const std::uint8_t*>(in[0].raw());
                         item.picture = {picture + i * size, DType::u8, {s.crop_h, s.crop_w, 3}};
                         item.params.warp.matrix = {0.99, 0.1, -3.5, -0.1, 0.99, 7.25};
                         item.params.warp.rule =
                             exact ? kernels::WarpRule::exact : kernels::WarpRule::fast;
                         item.params.warp.mirror = i % 2 == 1;
                         item.params.table = static_cast<const float*>(in[1].raw());
                         item.params.scale = {0.017f, 0.017f, 0.017f};
                         item.params.shift = {-2.1f, -2.0f, -1.8f};
                       }
                       AKIMBO_KERNEL(y.device(), crop_batch_forward)
                       (exec_of(y.device()), items, mutable_view_of(y));
                       return Tensors{y};
                     }});
  }
}

void add_adam_case(std::vector<Case>& cases, const Sizes& s) {
  cases.push_back(
      {"Adam, one step",
       [=](std::int64_t) {
         const Input any{{s.weights}, DType::f32};
         return std::vector<Input>{
             any, any, any, {{s.weights}, DType::f32, 0.1, 1}, {{4}, DType::f64, 0.5, 0.9}};
       },
       [](Tensors& in) {
         // Learning rate, factor of the gradients, bias corrections: read by the kernel on a GPU.
         kernels::AdamItem item{.parameter = mutable_view_of(in[0]),
                                .grad = view_of(in[1]),
                                .mean = mutable_view_of(in[2]),
                                .square = mutable_view_of(in[3])};
         kernels::AdamParams params;
         if (in[4].device().is_cpu()) {
           const double* values = in[4].data<double>();
           params.learning_rate = values[0];
           params.grad_scale = values[1];
           item.bias1 = values[2];
           item.bias2 = values[3];
         } else {
           params.step_values = view_of(in[4]);
         }
         AKIMBO_KERNEL(in[0].device(), adam_update)
         (exec_of(in[0].device()), std::span(&item, 1), params);
         return Tensors{in[0], in[2], in[3]};
       },
       -1, [](const Tensors& in) { return 7 * bytes_of(in[0]); }});
}

}  // namespace

void run_kernels(Run& run) {
  const Sizes sizes = sizes_of(run.settings.quick);
  std::vector<Case> cases;
  add_feature_cases(cases, sizes);
  add_soft_argmax_cases(cases, sizes);
  add_heatmap_cases(cases, sizes);
  add_crop_cases(cases, sizes);
  add_adam_case(cases, sizes);
  const std::string section = "kernels bound by memory (of roof: share of the copy's bandwidth)";
  for (const Case& c : cases) run_case(run, section, c);
  run.report.print(section);
}

}  // namespace akimbo::bench
