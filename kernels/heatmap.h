// Contract of reading coordinates from heatmaps. f32 and f64, contiguous, no aliasing.
// x is [N,H,W,K*D]: channel k*D + d is depth bin d of keypoint k; D = 1 for plain heatmaps.
#pragma once

#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// Expectation of the cell index under p = softmax over the whole volume of one keypoint (Sun et
// al., ECCV 2018): coords [N,K,3] = sum p (x, y, d), or [N,K,2] = sum p (x, y) when D = 1. norm
// [N,K,2] receives the largest logit m and 1 / sum exp(logit - m), from which p can be had again:
// it is never stored. Sums in double over fixed blocks of rows.
using SoftArgmaxForward = void(const Exec&, ConstView x, View coords, View norm);
// grad_x = p sum_a grad_coords_a (cell_a - coords_a).
using SoftArgmaxInputGrad = void(const Exec&, ConstView x, ConstView coords, ConstView norm,
                                 ConstView grad_coords, View grad_x);

// The first largest element of each map in row-major order (NaN is largest): x [N,H,W,K] with
// H W >= 1, score [N,K], location i32 [N,K,2] = (x, y).
using HeatmapArgmax = void(const Exec&, ConstView x, View score, View location);

struct PeakParams {
  std::int64_t window = 3;  // odd
  double threshold = 0;
};
// Peaks of each map: cells above the threshold that no cell of the window around them exceeds. The
// highest P, falling, of equal ones the first in row-major order: score [N,K,P], location i32
// [N,K,P,2] = (x, y); unused places hold score 0 and location -1. count i32 [N,K] is the number of
// places used.
using HeatmapPeaks = void(const Exec&, ConstView x, const PeakParams&, View score, View location,
                          View count);

namespace cpu {
SoftArgmaxForward soft_argmax_forward;
SoftArgmaxInputGrad soft_argmax_input_grad;
HeatmapArgmax heatmap_argmax;
HeatmapPeaks heatmap_peaks;
}  // namespace cpu

namespace cuda {
SoftArgmaxForward soft_argmax_forward;
SoftArgmaxInputGrad soft_argmax_input_grad;
HeatmapArgmax heatmap_argmax;
HeatmapPeaks heatmap_peaks;
}  // namespace cuda

}  // namespace akimbo::kernels
