// Who computes a convolution: our kernels, or cuDNN; provider.h says by what rule. Ours alone take
// tiles by the rule in conv_gather_problem.cpp, cuDNN alone its own guess at the fastest algorithm;
// `auto` times every tile of ours and every algorithm of cuDNN's.
#pragma once

#include <string>

#include "kernels/cuda/conv/conv_own.h"

namespace akimbo::kernels::cuda {

void provide_gather(const Exec& exec, const GatherTask& task);
void provide_weight_grad(const Exec& exec, const WeightGradTask& task);

// The problem as the tuner's file names it: everything that the time depends on.
[[nodiscard]] std::string key_of(const Exec& exec, const GatherTask& task);
[[nodiscard]] std::string key_of(const Exec& exec, const WeightGradTask& task);

}  // namespace akimbo::kernels::cuda
