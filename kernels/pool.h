// Contract of pooling. x [N,H,W,C], y [N,H',W',C], one dtype: f32, f64, and on CUDA bf16 or f16
// (sums in f32); contiguous, no aliasing.
// Window (oy, ox) covers rows oy*stride_h - pad_h ... + kernel_h - 1 and columns alike; positions
// outside x are skipped (max: as if -inf; average: as if 0).
#pragma once

#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

struct PoolParams {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
};

// y = largest element of the window (NaN if one is there). index u8 [N,H',W',C] is the position
// ky * kernel_w + kx of the first one, for the gradient; empty when none is wanted.
// kernel_h * kernel_w <= 255.
using MaxPool2dForward = void(const Exec&, ConstView x, const PoolParams&, View y, View index);
// grad_x[p] = sum of grad_y over the windows whose index names p; in order of windows.
using MaxPool2dInputGrad = void(const Exec&, ConstView grad_y, ConstView index, const PoolParams&,
                                View grad_x);

// y = sum over the window / count; count is that of positions in x, or with `count_pad` also of
// those in the padding (but not beyond it, where a ceil-mode window may reach).
using AvgPool2dForward = void(const Exec&, ConstView x, const PoolParams&, bool count_pad, View y);
using AvgPool2dInputGrad = void(const Exec&, ConstView grad_y, const PoolParams&, bool count_pad,
                                View grad_x);

namespace cpu {
MaxPool2dForward max_pool2d_forward;
MaxPool2dInputGrad max_pool2d_input_grad;
AvgPool2dForward avg_pool2d_forward;
AvgPool2dInputGrad avg_pool2d_input_grad;
}  // namespace cpu

namespace cuda {
MaxPool2dForward max_pool2d_forward;
MaxPool2dInputGrad max_pool2d_input_grad;
AvgPool2dForward avg_pool2d_forward;
AvgPool2dInputGrad avg_pool2d_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
