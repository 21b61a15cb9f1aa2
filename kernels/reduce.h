// Contract of reductions over the middle axis: x [O,M,I], y [O,I], one dtype: f32, f64, and on CUDA
// bf16 or f16; contiguous. Sums are taken over fixed blocks of M, added up in an order that depends
// on the shape only: in double on the CPU; on CUDA in f32 over runs of 16 (f64 for f64), in double
// beyond.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// y[o,i] = factor sum_m x[o,m,i]; 0 when M is 0.
using SumForward = void(const Exec&, ConstView x, double factor, View y);
// grad_x[o,m,i] = factor grad_y[o,i].
using SumInputGrad = void(const Exec&, ConstView grad_y, double factor, View grad_x);

// y[o,i] = max_m x[o,m,i], NaN if one is there; index i64 [O,I] is the first m where it is reached,
// or empty if not wanted. M >= 1.
using MaxForward = void(const Exec&, ConstView x, View y, View index);
// grad_x[o,m,i] = grad_y[o,i] at m = index[o,i], else 0.
using MaxInputGrad = void(const Exec&, ConstView grad_y, ConstView index, View grad_x);

namespace cpu {
SumForward sum_forward;
SumInputGrad sum_input_grad;
MaxForward max_forward;
MaxInputGrad max_input_grad;
}  // namespace cpu

namespace cuda {
SumForward sum_forward;
SumInputGrad sum_input_grad;
MaxForward max_forward;
MaxInputGrad max_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
