// Contract of softmax over the last axis: x, y [M,C], one dtype, contiguous: f32 or f64, on CUDA
// also bf16 and f16. The largest element is taken off first, so nothing overflows. Sums in double;
// on CUDA in f32 (f64 for f64), in a fixed order. y may alias x.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// y = exp(x) / sum_c exp(x), or x - log(sum_c exp(x)).
using SoftmaxForward = void(const Exec&, ConstView x, View y);
// softmax: grad_x = y (grad_y - sum_c y grad_y); log-softmax: grad_x = grad_y - exp(y) sum_c
// grad_y.
using SoftmaxInputGrad = void(const Exec&, ConstView y, ConstView grad_y, View grad_x);

namespace cpu {
SoftmaxForward softmax_forward;
SoftmaxInputGrad softmax_input_grad;
SoftmaxForward log_softmax_forward;
SoftmaxInputGrad log_softmax_input_grad;
}  // namespace cpu

namespace cuda {
SoftmaxForward softmax_forward;
SoftmaxInputGrad softmax_input_grad;
SoftmaxForward log_softmax_forward;
SoftmaxInputGrad log_softmax_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
