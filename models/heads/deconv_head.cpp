#include "models/heads/deconv_head.h"

#include <string>

#include "engine/core/error.h"
#include "engine/nn/conv_bn.h"

namespace akimbo::models {
namespace {

// Padding and output padding with which stride 2 doubles the size exactly.
ops::ConvTranspose2dOptions doubling(std::int64_t kernel) {
  switch (kernel) {
    case 4: return {.stride = 2, .padding = 1, .output_padding = 0};
    case 3: return {.stride = 2, .padding = 1, .output_padding = 1};
    case 2: return {.stride = 2, .padding = 0, .output_padding = 0};
    default:
      throw_error<ArgumentError>("[deconv_head] a kernel is {}; 4, 3 and 2 double the size",
                                 kernel);
  }
}

}  // namespace

DeconvLayers::DeconvLayers(std::int64_t in_channels, const DeconvHeadOptions& options) {
  if (options.filters.size() != options.kernels.size()) {
    throw_error<ArgumentError>("[deconv_head] {} filter counts and {} kernels; give one per layer",
                               options.filters.size(), options.kernels.size());
  }
  for (std::size_t i = 0; i < options.filters.size(); ++i) {
    const nn::Conv2dShape shape{in_channels, options.filters[i], options.kernels[i],
                                options.with_bias};
    steps_.push_back(
        std::unique_ptr<Step>(new Step{nn::ConvTranspose2d(shape, doubling(options.kernels[i])),
                                       nn::BatchNorm2d(options.filters[i])}));
    register_module(std::to_string(3 * i), steps_.back()->conv);
    register_module(std::to_string(3 * i + 1), steps_.back()->bn);
    in_channels = options.filters[i];
  }
}

Tensor DeconvLayers::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& step : steps_) y = nn::conv_bn(y, step->conv, step->bn);
  return y;
}

}  // namespace akimbo::models
