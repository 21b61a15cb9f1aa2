// Convolutions one output at a time, any size, any parameters, any floating dtype: what f64 runs
// on, and what the tensor-core products do not take (groups of one or two channels, extents beyond
// their 32-bit indices). Slow by intent, but for depthwise filters, which have kernels of their
// own.
#pragma once

#include "kernels/conv.h"
#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/conv/conv_weight_grad.h"

namespace akimbo::kernels::cuda {

// y = finish(sum over taps and source channels), as in conv_gather.h.
void direct_gather(const Exec& exec, Direction direction, Order filter_order, ConstView source,
                   ConstView filter, const ConvEpilogue& epilogue, const Conv2dParams& params,
                   View y);

// As in conv_weight_grad.h.
void direct_weight_grad(const Exec& exec, ConstView small, ConstView big,
                        const Conv2dParams& params, WeightOrder order, View grad_w);

// y [M, N] = A B + bias with operands as in matmul.h.
void direct_matmul(const Exec& exec, ConstView a, bool transpose_a, ConstView b, bool transpose_b,
                   ConstView bias, View y);

// One filter per channel: w [C, kh, kw, 1], groups = C.
[[nodiscard]] bool is_depthwise(const Shape& w, const Conv2dParams& params);
void depthwise_gather(const Exec& exec, Direction direction, ConstView source, ConstView filter,
                      const ConvEpilogue& epilogue, const Conv2dParams& params, View y);
void depthwise_weight_grad(const Exec& exec, ConstView small, ConstView big,
                           const Conv2dParams& params, View grad_w);

}  // namespace akimbo::kernels::cuda
