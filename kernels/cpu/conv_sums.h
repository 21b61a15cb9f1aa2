// The channel sums that a convolution's epilogue may ask for.
#pragma once

#include "kernels/common/view.h"

namespace akimbo::kernels::cpu {

// sums [P,2,O] of y and its squares over P runs of pixels (kernels/conv.h); nothing when absent.
void channel_sums(ConstView y, View sums);

}  // namespace akimbo::kernels::cpu
