// From heatmaps to coordinates, in cells: (0, 0) is the first cell, x runs along W.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace akimbo::ops {

// x [N,H,W,K] logits; returns [N,K,2], the expectation of (x, y) under the softmax of each map.
// Differentiable; probabilities are never stored.
[[nodiscard]] Tensor soft_argmax_2d(const Tensor& x);

// x [N,H,W,K*depth] logits, channel k*depth + d being depth bin d of keypoint k; returns [N,K,3],
// the expectation of (x, y, d) under the softmax of each volume (Sun et al., ECCV 2018).
// Throws ArgumentError when depth does not divide the channels.
[[nodiscard]] Tensor soft_argmax_3d(const Tensor& x, std::int64_t depth);

struct HeatmapMaxima {
  Tensor score;     // [N,K]
  Tensor location;  // i32 [N,K,2] = (x, y)
};

// The largest cell of each map, of equal ones the first in row-major order. x [N,H,W,K].
[[nodiscard]] HeatmapMaxima heatmap_argmax(const Tensor& x);

struct HeatmapPeaks {
  Tensor score;     // [N,K,P] falling; 0 in unused places
  Tensor location;  // i32 [N,K,P,2] = (x, y); -1 in unused places
  Tensor count;     // i32 [N,K], places used
};

struct HeatmapPeakOptions {
  std::int64_t window = 5;  // odd: a peak is a largest cell of the window around it
  std::int64_t top = 30;    // P, peaks kept per map
  double threshold = 0;     // only cells above it count
};

// Non-maximum suppression on each map of x [N,H,W,K]; cells of a plateau are all peaks.
[[nodiscard]] HeatmapPeaks heatmap_peaks(const Tensor& x, const HeatmapPeakOptions& options = {});

}  // namespace akimbo::ops
