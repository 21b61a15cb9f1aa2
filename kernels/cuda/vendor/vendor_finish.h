// What a vendor's product needs around it to meet our contracts.
#pragma once

#include "kernels/conv.h"

namespace akimbo::kernels::cuda::vendor {

// y = relu(y * scale + shift + residual), and the channel sums, as ConvEpilogue says; y [..., O].
// The residual must not be y.
void finish_in_place(const Exec& exec, const ConvEpilogue& epilogue, View y);

// to [G I, taps, O] = from [G O, taps, I]: the filter of a transposed convolution as the vendor's
// convolution from big to small has it, or back. G groups.
void exchange_filter(const Exec& exec, ConstView from, std::int64_t groups, View to);

}  // namespace akimbo::kernels::cuda::vendor
