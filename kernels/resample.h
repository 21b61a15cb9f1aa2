// Contract of resizing feature maps. x [N,H,W,C], y [N,H',W',C], one dtype: f32, f64, and on CUDA
// bf16 or f16 (sums in f32); contiguous, no aliasing unless said so. Rows and columns are resized
// independently; along one axis, of `in` and `out` pixels:
//   nearest:                y[o] = x[floor(o in / out)], in exact integers;
//   bilinear:               at s = max(0, (o + 0.5) in / out - 0.5)   (pixel centres), or
//   bilinear, align_corners:   s = o (in - 1) / (out - 1), 0 if out = 1;
//                           y[o] = (1 - f) x[i] + f x[min(i + 1, in - 1)], i = floor(s), f = s - i.
// Positions are computed in double; PyTorch does so in the dtype and may differ in the last digits.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

enum class ResizeMode { nearest, bilinear, bilinear_align_corners };

using ResizeForward = void(const Exec&, ConstView x, ResizeMode, View y);
// y = max(addend + x resized, 0 if `relu`): the step that joins branches of different resolution,
// in one pass. addend has the shape of y, which may alias it.
using ResizeAddForward = void(const Exec&, ConstView x, ResizeMode, ConstView addend, bool relu,
                              View y);
// grad_x = the transpose of the same linear map applied to grad_y; sums in the order of outputs.
using ResizeInputGrad = void(const Exec&, ConstView grad_y, ResizeMode, View grad_x);

namespace cpu {
ResizeForward resize_forward;
ResizeAddForward resize_add_forward;
ResizeInputGrad resize_input_grad;
}  // namespace cpu

namespace cuda {
ResizeForward resize_forward;
ResizeAddForward resize_add_forward;
ResizeInputGrad resize_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
