// What a vendor's product needs around it to meet our contracts.
#pragma once

#include "kernels/conv.h"
#include "kernels/norm.h"

namespace akimbo::kernels::cuda::vendor {

// y = relu(y * scale + shift + residual), and the channel sums, as ConvEpilogue says; y [..., O].
// The residual must not be y.
void finish_in_place(const Exec& exec, const ConvEpilogue& epilogue, View y);

// to [G I, taps, O] = from [G O, taps, I]: the filter of a transposed convolution as the vendor's
// convolution from big to small has it, or back. G groups.
void exchange_filter(const Exec& exec, ConstView from, std::int64_t groups, View to);

// var = 1 / invstd^2, both [C] f32: what makes 1 / sqrt(var + 0) of it again. 0 where invstd is
// infinite.
void variance_of_invstd(const Exec& exec, ConstView invstd, View var);

// masked = grad_y behind the ReLU's mask of BatchNormGradArgs (y, or beta to work it out again), or
// grad_y itself where there is none; shape and dtype of grad_y, which it must not be.
void masked_gradient(const Exec& exec, const BatchNormGradArgs& args, View masked);

}  // namespace akimbo::kernels::cuda::vendor
