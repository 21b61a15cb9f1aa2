// Who computes a convolution or batch norm: our kernels, cuDNN, or the autotuner's choice among
// both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/conv.h"

namespace akimbo::bench {

// For the calls of kernels::cuda that follow (AKIMBO_CONV). tuned: the fastest of all, timed at the
// first call and remembered by this process alone, unless AKIMBO_TUNE_CACHE names a file.
enum class ConvProvider { own, vendor, tuned };
void use_conv_provider(ConvProvider provider);

// Whether the device has convolution kernels of two kinds, for every GPU and for sm_90a, and
// AKIMBO_WGMMA does not rule the latter out; and which of them run from now on.
[[nodiscard]] bool has_wgmma(Device device);
void use_wgmma(bool use);
// Sets AKIMBO_WGMMA back at its end.
class KeepWgmmaSetting {
 public:
  KeepWgmmaSetting();
  ~KeepWgmmaSetting();
  KeepWgmmaSetting(const KeepWgmmaSetting&) = delete;
  KeepWgmmaSetting& operator=(const KeepWgmmaSetting&) = delete;

 private:
  std::optional<std::string> before_;
};

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
