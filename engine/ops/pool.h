// Spatial pooling of feature maps [N,H,W,C].
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace akimbo::ops {

struct Pool2dOptions {
  std::int64_t kernel = 2;
  std::int64_t stride = 0;   // 0: the kernel's size
  std::int64_t padding = 0;  // on each side; at most half the kernel
  bool ceil_mode = false;    // a last window that starts inside x or its left padding also counts
  bool count_include_pad = true;  // average: divide by kernel^2 also at the border
};

// x [N,H,W,C], returns [N,H',W',C], H' = floor or ceil of (H + 2 padding - kernel) / stride,
// plus 1. The padding never wins. Of equal elements the first in row-major order gets the gradient.
// Throws ArgumentError for sizes that give no output.
[[nodiscard]] Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options);

// Same shapes; padding counts as zeros.
[[nodiscard]] Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options);

// x [N,H,W,C], returns the mean over H and W, [N,C].
[[nodiscard]] Tensor global_avg_pool2d(const Tensor& x);

}  // namespace akimbo::ops
