// 3x3 convolution with stride 1 by Winograd's minimal filtering F(2x2, 3x3): each 2x2 block of
// outputs takes 16 multiplications per channel pair in place of 36 (Lavin and Gray, Fast Algorithms
// for Convolutional Neural Networks, 2015, section 4.1). Rounding errors are about twice those of
// the direct sum, so only inference uses it, through weights packed beforehand; training and
// gradients sum directly.
#pragma once

#include "kernels/conv.h"

namespace akimbo::kernels::cpu {

// Depends on the weight and parameters alone, since the packed weight does.
[[nodiscard]] bool winograd_pays(const Shape& weight, const Conv2dParams& params);

[[nodiscard]] std::int64_t winograd_packed_numel(const Shape& weight, DType dtype);
void winograd_pack(const Exec& exec, ConstView weight, View packed);
void winograd_forward(const Exec& exec, ConstView x, ConstView packed, const ConvEpilogue& epilogue,
                      const Conv2dParams& params, View y);

}  // namespace akimbo::kernels::cpu
