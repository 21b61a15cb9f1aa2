// Who computes a convolution or matrix product: our kernels, or cuDNN and cuBLASLt where they are
// installed and take it. AKIMBO_CONV says which:
//   own    our kernels, tiles by the rule in conv_gather_problem.cpp (always so on the emulator
//          unless something else is said)
//   cudnn  the vendor's, by its own guess at the fastest algorithm; ours where it takes a task not
//   auto   (default) the fastest of all, timed once per problem and remembered (tuner.h)
// With exec.deterministic nothing is timed: results must not depend on how busy the device was.
#pragma once

#include <string>

#include "kernels/cuda/conv/conv_own.h"
#include "kernels/matmul.h"

namespace akimbo::kernels::cuda {

enum class ConvMode { own, cudnn, automatic };
// Throws std::invalid_argument when AKIMBO_CONV has another value.
[[nodiscard]] ConvMode conv_mode();

void provide_gather(const Exec& exec, const GatherTask& task);
void provide_weight_grad(const Exec& exec, const WeightGradTask& task);
void provide_matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y);

// The problem as the tuner's file names it: everything that the time depends on.
[[nodiscard]] std::string key_of(const Exec& exec, const GatherTask& task);
[[nodiscard]] std::string key_of(const Exec& exec, const WeightGradTask& task);

}  // namespace akimbo::kernels::cuda
