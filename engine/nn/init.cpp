#include "engine/nn/init.h"

#include <cmath>
#include <string>

#include "engine/core/random.h"
#include "engine/nn/layers.h"
#include "kernels/common/parallel.h"

namespace akimbo::nn {
namespace {

// Draws in double, so that f32 and f64 networks start from the same numbers up to rounding. `draw`
// takes num_draws of the stream for an element, whose place in it thus is known to every thread.
template <typename Draw>
void fill_with(Tensor& tensor, const InitStream& stream, std::uint64_t num_draws,
               const Draw& draw) {
  const RandomStream all(stream.seed, stream_of(stream.name));
  Tensor values = Tensor::empty(tensor.shape(), DType::f64);
  double* data = values.data<double>();
  constexpr std::int64_t kGrain = 1 << 14;
  kernels::parallel_for(values.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    RandomStream random = all;
    random.seek(static_cast<std::uint64_t>(begin) * num_draws);
    for (std::int64_t i = begin; i < end; ++i) data[i] = draw(random);
  });
  tensor.copy_from(values.to(tensor.dtype()).to(tensor.device()));
}

std::string joined(std::string_view prefix, const std::string& path, const char* member) {
  std::string name(prefix);
  name += path;
  if (!path.empty()) name += '.';
  return name + member;
}

void init_fan_in(Tensor& weight, Tensor& bias, std::int64_t fan_in, std::uint64_t seed,
                 std::string_view prefix, const std::string& path) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  init_uniform(weight, -bound, bound, {seed, joined(prefix, path, "weight")});
  if (bias.defined()) init_uniform(bias, -bound, bound, {seed, joined(prefix, path, "bias")});
}

void reset(BatchNorm2d& bn) {
  bn.weight.fill(1);
  bn.bias.fill(0);
  bn.running_mean.fill(0);
  bn.running_var.fill(1);
  bn.num_batches_tracked.fill(0);
}

}  // namespace

void init_constant(Tensor& tensor, double value) { tensor.fill(value); }

void init_normal(Tensor& tensor, double mean, double deviation, const InitStream& stream) {
  fill_with(tensor, stream, 2,
            [&](RandomStream& random) { return random.normal(mean, deviation); });
}

void init_uniform(Tensor& tensor, double low, double high, const InitStream& stream) {
  fill_with(tensor, stream, 1, [&](RandomStream& random) { return random.uniform(low, high); });
}

void init_kaiming_normal(Tensor& weight, std::int64_t fan_in, const InitStream& stream) {
  init_normal(weight, 0, std::sqrt(2.0 / static_cast<double>(fan_in)), stream);
}

void init_default(Module& module, std::uint64_t seed, std::string_view prefix) {
  for (const auto& [path, child] : module.named_modules()) {
    if (auto* conv = dynamic_cast<Conv2d*>(child)) {
      init_fan_in(conv->weight, conv->bias, conv->weight.numel() / conv->weight.dim(0), seed,
                  prefix, path);
    } else if (auto* deconv = dynamic_cast<ConvTranspose2d*>(child)) {
      const std::int64_t fan_in =
          deconv->weight.numel() / deconv->weight.dim(3) / deconv->options.groups;
      init_fan_in(deconv->weight, deconv->bias, fan_in, seed, prefix, path);
    } else if (auto* linear = dynamic_cast<Linear*>(child)) {
      init_fan_in(linear->weight, linear->bias, linear->weight.dim(1), seed, prefix, path);
    } else if (auto* bn = dynamic_cast<BatchNorm2d*>(child)) {
      reset(*bn);
    }
  }
}

void init_small_normal(Module& module, double deviation, std::uint64_t seed,
                       std::string_view prefix) {
  for (const auto& [path, child] : module.named_modules()) {
    const auto fill = [&](Tensor& weight, Tensor& bias) {
      init_normal(weight, 0, deviation, {seed, joined(prefix, path, "weight")});
      if (bias.defined()) bias.fill(0);
    };
    if (auto* conv = dynamic_cast<Conv2d*>(child)) {
      fill(conv->weight, conv->bias);
    } else if (auto* deconv = dynamic_cast<ConvTranspose2d*>(child)) {
      fill(deconv->weight, deconv->bias);
    } else if (auto* bn = dynamic_cast<BatchNorm2d*>(child)) {
      reset(*bn);
    }
  }
}

}  // namespace akimbo::nn
