// Convolution of f32 maps with factors rounded to bf16 and f32 sums (Conv2dParams::bf16): one
// product of kernels/cpu/bf16.h for each phase of the output pixels, as in conv_gather.h, or for
// each point of Winograd's algorithm, whose transforms run in f32 and whose results are rounded.
#pragma once

#include "kernels/conv.h"
#include "kernels/cpu/conv_gather.h"
#include "kernels/cpu/conv_winograd.h"

namespace akimbo::kernels::cpu {

// Whether the forward pass runs so: the parameters allow it, the CPU can, and the weight is neither
// grouped nor odd or small in channels. Depends on the weight and parameters alone, as the packed
// weight does.
[[nodiscard]] bool bf16_pays(const Shape& weight, DType dtype, const Conv2dParams& params);

// The packed weight holds bf16 in the memory of f32 elements, of which this is the number.
[[nodiscard]] std::int64_t conv_bf16_packed_numel(GatherDirection direction, const Shape& weight,
                                                  const Conv2dParams& params);
void conv_bf16_pack(const Exec& exec, GatherDirection direction, ConstView weight,
                    const Conv2dParams& params, View packed);
void conv_bf16_product(const Exec& exec, GatherDirection direction, ConstView in,
                       const Shape& weight, ConstView packed, const ConvEpilogue& epilogue,
                       const Conv2dParams& params, View out);

// The part of Winograd's algorithm, for weights that winograd_bf16_pays.
[[nodiscard]] bool winograd_bf16_pays(WinogradPass pass, const Shape& weight,
                                      const Conv2dParams& params);
[[nodiscard]] std::int64_t winograd_bf16_packed_numel(WinogradPass pass, const Shape& weight,
                                                      const Conv2dParams& params);  // of bf16
void winograd_bf16_pack(const Exec& exec, WinogradPass pass, ConstView weight,
                        const Conv2dParams& params, BFloat16* packed);
void winograd_bf16_product(const Exec& exec, WinogradPass pass, ConstView in, const Shape& weight,
                           const BFloat16* packed, const ConvEpilogue& epilogue,
                           const Conv2dParams& params, View out);

}  // namespace akimbo::kernels::cpu
