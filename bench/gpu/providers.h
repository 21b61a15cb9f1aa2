// Who computes a convolution: our kernels, cuDNN, or the autotuner's choice among both.
#pragma once

#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/conv.h"

namespace akimbo::bench {

// For the calls of kernels::cuda that follow (AKIMBO_CONV). tuned: the fastest of all, timed at the
// first call and remembered by this process alone, unless AKIMBO_TUNE_CACHE names a file.
enum class ConvProvider { own, tuned };
void use_conv_provider(ConvProvider provider);

// "" without cuDNN; then why.
[[nodiscard]] std::string cudnn_version();
[[nodiscard]] std::string cudnn_unavailable_reason();

enum class ConvPass { forward, input_grad, weight_grad };

struct ConvCall {
  ConvPass pass = ConvPass::forward;
  bool transposed = false;
  kernels::Conv2dParams params;
  Tensor x, w, y;  // input, weight, output; the pass overwrites one of them
};
// cuDNN's algorithms for the call, its own guess at the fastest first; empty where it takes it not.
[[nodiscard]] std::vector<int> cudnn_algorithms(const ConvCall& call);
void run_cudnn(ConvCall& call, int algorithm);

}  // namespace akimbo::bench
