// Contract of elementwise kernels. All operands contiguous; f32 and f64.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// y = a + b; a, b, y of one shape and dtype. y may alias a or b.
using AddForward = void(const Exec&, ConstView a, ConstView b, View y);

// y = max(x, 0); y may alias x.
using ReluForward = void(const Exec&, ConstView x, View y);
// grad_x = grad_y where y > 0, else 0; grad_x may alias grad_y.
using ReluInputGrad = void(const Exec&, ConstView y, ConstView grad_y, View grad_x);

namespace cpu {
AddForward add_forward;
ReluForward relu_forward;
ReluInputGrad relu_input_grad;
}  // namespace cpu

namespace cuda {
AddForward add_forward;
ReluForward relu_forward;
ReluInputGrad relu_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
