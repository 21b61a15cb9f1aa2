// Axis orders of weights: PyTorch's and the engine's. Convolutions are OIHW there and OHWI here,
// transposed convolutions IOHW there and OHWI here; everything else is the same. Names decide.
#pragma once

#include <string_view>

#include "engine/core/tensor.h"

namespace akimbo::convert {

// True for the weight of a transposed convolution, by the names of the published references:
// `deconv_layers.N.weight` (Simple Baselines, integral pose) and `deconv_layers.N.0.0.weight`
// (HigherHRNet).
[[nodiscard]] bool is_transposed_conv_weight(std::string_view name);

// The tensor called `name` of a PyTorch state dict in the engine's order, and back. Only tensors of
// four axes change; others are returned as they are, not copied.
[[nodiscard]] Tensor to_engine_layout(std::string_view name, const Tensor& tensor);
[[nodiscard]] Tensor to_torch_layout(std::string_view name, const Tensor& tensor);

}  // namespace akimbo::convert
