// Resizing of feature maps [N,H,W,C], up or down, without smoothing.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace akimbo::ops {

struct ResizeOptions {
  std::int64_t height = 0, width = 0;  // of the result, at least 1
  // Bilinear only. True: the corner pixels of x and y coincide. False: their outer edges do.
  bool align_corners = false;
};

// x [N,H,W,C] with at least one pixel, returns [N,height,width,C], as PyTorch's interpolate does:
// "bilinear" (kernels/resample.h has the formula) and "nearest" (pixel floor(o H / height)).
[[nodiscard]] Tensor resize_bilinear(const Tensor& x, const ResizeOptions& options);
[[nodiscard]] Tensor resize_nearest(const Tensor& x, const ResizeOptions& options);

// Every pixel repeated factor x factor times: resize_nearest to `factor` times the size.
[[nodiscard]] Tensor upsample_nearest(const Tensor& x, std::int64_t factor);

// y = addend + x resized to y's size (max with 0 if `relu`), without gradient: what plans make of
// add(addend, resize(x)). `mode` is the option of the traced resize. y may be addend.
void resize_add(const Tensor& x, std::int64_t mode, const Tensor& addend, bool relu, Tensor& y);

}  // namespace akimbo::ops
