// Filling parameters before training. A value is a function of (seed, parameter name, element), so
// it depends neither on threads nor on the order in which a network is built.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/core/tensor.h"
#include "engine/nn/module.h"

namespace akimbo::nn {

// Where draws come from: RandomStream(seed, stream_of(name)).
struct InitStream {
  std::uint64_t seed = 0;
  std::string_view name;
};

void init_constant(Tensor& tensor, double value);
void init_normal(Tensor& tensor, double mean, double deviation, const InitStream& stream);
void init_uniform(Tensor& tensor, double low, double high, const InitStream& stream);
// Normal with deviation sqrt(2 / fan_in): keeps the scale through ReLUs (He et al. 2015).
void init_kaiming_normal(Tensor& weight, std::int64_t fan_in, const InitStream& stream);

// What PyTorch's layers start with: weights and biases of convolutions and linear layers
// U(+-1 / sqrt(fan_in)), batch norms the identity. fan_in is I / groups kh kw, of transposed
// convolutions (as PyTorch counts it) O / groups kh kw. `prefix` is put before the names.
void init_default(Module& module, std::uint64_t seed, std::string_view prefix = "");

// Weights of every convolution and transposed convolution N(0, deviation^2), their biases 0, batch
// norms the identity: how pose heads start.
void init_small_normal(Module& module, double deviation, std::uint64_t seed,
                       std::string_view prefix = "");

}  // namespace akimbo::nn
