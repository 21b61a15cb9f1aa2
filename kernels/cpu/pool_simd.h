// The inner loops of max pooling over f32, for the best instruction set of the machine: one pixel,
// all channels, the running maximum in registers.
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// Positions [begin_y, end_y) x [begin_x, end_x) of a window kernel_w wide, all inside the image.
struct PoolWindow {
  std::int64_t begin_y, end_y, begin_x, end_x, kernel_w;
};

// y[c] = max over the window, index[c] (unless null) its first position. `from` is the pixel at
// (begin_y, begin_x); rows are row_stride floats apart and pixels `channels`.
void max_pool_pixel(const float* from, std::int64_t row_stride, std::int64_t channels,
                    const PoolWindow& window, float* y, std::uint8_t* index);

// grad_x[c] (+)= grad_y[c] where index[c] == position, else (+)= 0; overwrites if `first`.
void max_pool_grad_window(const float* grad_y, const std::uint8_t* index, std::uint8_t position,
                          std::int64_t channels, bool first, float* grad_x);

}  // namespace akimbo::kernels::cpu
