// The head of Simple Baselines (Xiao et al. 2018): transposed convolutions that double the size
// each, then one convolution to the heatmaps. Names: deconv_layers.0 (convolution), .1 (batch
// norm), .3, .4, ... (numbers 2, 5, 8 are the ReLUs); final_layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/nn/layers.h"
#include "engine/nn/module.h"

namespace akimbo::models {

struct DeconvHeadOptions {
  std::vector<std::int64_t> filters = {256, 256, 256};  // one per layer
  std::vector<std::int64_t> kernels = {4, 4, 4};        // 4, 3 or 2 each
  bool with_bias = false;                               // of the transposed convolutions
  std::int64_t final_kernel = 1;                        // 1 or 3
};

// The sequence of transposed convolution, batch norm, ReLU.
class DeconvLayers final : public nn::Module {
 public:
  // Throws ArgumentError for a kernel other than 4, 3, 2 or lists of different lengths.
  DeconvLayers(std::int64_t in_channels, const DeconvHeadOptions& options);
  // x [N,H,W,C], returns [N, H 2^L, W 2^L, filters.back()] after L layers.
  [[nodiscard]] Tensor forward(const Tensor& x);

 private:
  struct Step {
    nn::ConvTranspose2d conv;
    nn::BatchNorm2d bn;
  };
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace akimbo::models
