// Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// 2015):
//   3x3 convolution with stride 1 and its input gradient, F(4x4, 3x3): 36 multiplications per 4x4
//   outputs in place of 144, or, with many channels, F(2x2, 3x3): 16 per 2x2 outputs in place of
//   36; its weight gradient, F(3x3, 4x4): 36 in place of 144 as well; 4x4 transposed convolution
//   with stride 2, padding 1: each of its four phases is a 2x2 convolution, F(4x4, 2x2): 25 in
//   place of 64, or F(2x2, 2x2): 9 in place of 16; its gradients by F(2x2, 2x2) as well.
// Rounding errors are a few times those of the direct sum, so it runs only where
// Conv2dParams::winograd allows it.
#pragma once

#include "kernels/conv.h"

namespace akimbo::kernels::cpu {

// Passes that multiply maps by a transformed weight.
enum class WinogradPass { conv, conv_input_grad, conv_transpose, conv_transpose_input_grad };

// Depends on the weight and parameters alone, since the packed weight does.
[[nodiscard]] bool winograd_pays(WinogradPass pass, const Shape& weight,
                                 const Conv2dParams& params);

[[nodiscard]] std::int64_t winograd_packed_numel(WinogradPass pass, const Shape& weight,
                                                 DType dtype, const Conv2dParams& params);
void winograd_pack(const Exec& exec, WinogradPass pass, ConstView weight,
                   const Conv2dParams& params, View packed);
// `in` and `out` are x and y, or for an input gradient grad_y and grad_x.
void winograd_product(const Exec& exec, WinogradPass pass, ConstView in, const Shape& weight,
                      ConstView packed, const ConvEpilogue& epilogue, const Conv2dParams& params,
                      View out);

// The weight gradient of a convolution for which winograd_pays.
void winograd_weight_grad(const Exec& exec, ConstView x, ConstView grad_y,
                          const Conv2dParams& params, View grad_w);

// The same of a transposed convolution, whose weight may be larger: it is not transformed.
[[nodiscard]] bool winograd_transpose_weight_grad_pays(const Shape& weight,
                                                       const Conv2dParams& params);
void winograd_transpose_weight_grad(const Exec& exec, ConstView x, ConstView grad_y, View grad_w);

}  // namespace akimbo::kernels::cpu
