// Elementwise loops that networks spend time in, over f32, for the best instruction set of the
// machine. Pointers may be equal, not overlap otherwise.
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// y = a + b.
void add_f32(const float* a, const float* b, float* y, std::int64_t count);
// y = max(x, 0), NaN stays NaN.
void relu_f32(const float* x, float* y, std::int64_t count);
// grad_x = grad_y where y > 0, else 0.
void relu_grad_f32(const float* y, const float* grad_y, float* grad_x, std::int64_t count);

}  // namespace akimbo::kernels::cpu
