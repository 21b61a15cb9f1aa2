// Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// 2015) for inference:
//   3x3 convolution with stride 1, F(4x4, 3x3): 36 multiplications per 4x4 outputs in place of 144,
//   or, with many channels, F(2x2, 3x3): 16 per 2x2 outputs in place of 36;
//   4x4 transposed convolution with stride 2, padding 1: each of its four phases is a 2x2
//   convolution, F(2x2, 2x2): 9 in place of 16.
// Rounding errors are a few times those of the direct sum, so only inference uses it, through
// weights packed beforehand; training and gradients sum directly.
#pragma once

#include "kernels/conv.h"
#include "kernels/cpu/conv_gather.h"

namespace akimbo::kernels::cpu {

// Depends on the weight and parameters alone, since the packed weight does.
[[nodiscard]] bool winograd_pays(GatherDirection direction, const Shape& weight,
                                 const Conv2dParams& params);

[[nodiscard]] std::int64_t winograd_packed_numel(GatherDirection direction, const Shape& weight,
                                                 DType dtype);
void winograd_pack(const Exec& exec, GatherDirection direction, ConstView weight, View packed);
void winograd_forward(const Exec& exec, GatherDirection direction, ConstView x, const Shape& weight,
                      ConstView packed, const ConvEpilogue& epilogue, const Conv2dParams& params,
                      View y);

}  // namespace akimbo::kernels::cpu
