// Contract of heatmaps: coordinates and peaks from them, the averaging of a mirrored pass, and the
// targets that training draws. Contiguous, no aliasing. f32 and f64; on CUDA maps may also be bf16
// or f16, and coords, norm, peaks and their gradients are then f32 (scores keep the maps' dtype).
// x is [N,H,W,K*D]: channel k*D + d is depth bin d of keypoint k; D = 1 for plain heatmaps.
#pragma once

#include <cstdint>
#include <span>

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

struct HeatmapDecodeParams {
  // Moves each peak a quarter of a cell towards the larger neighbour, in x and y separately. Peaks
  // in rows or columns 0 and 1 or in the last stay (the published code leaves out 1 without need;
  // kept for equal results).
  bool quarter_offset = true;
};
// The first maximum of each map of x [N,H,W,K], H W >= 1: peaks [N,K,3] = (x, y, score) in cells. A
// maximum of 0 or less gives (0, 0) with the score kept; NaN never wins, and a map of NaN only has
// score -inf.
using HeatmapDecode = void(const Exec&, ConstView x, const HeatmapDecodeParams&, View peaks);

// Moves peaks [N,K,3] already found in maps x [N,H,W,K] a quarter of a cell as above, in place.
using HeatmapRefine = void(const Exec&, ConstView x, View peaks);

struct HeatmapDarkParams {
  std::span<const float> taps;  // of the smoothing, in host memory: odd, 3 to kMaxDarkTaps
};
inline constexpr int kMaxDarkTaps = 63;
// Moves peaks f32 [N,K,3] in whole cells of maps x [N,H,W,K] (f32, on CUDA also bf16 or f16), in
// place, to the top of a Gaussian fitted around them (Zhang et al., CVPR 2020, equations 4 to 9):
// the map is smoothed along x, then y (0 outside), multiplied so that its maximum is the old one,
// and one Newton step is taken on its logarithm l (of values of at least 1e-10):
//   d = -inverse(Hessian) gradient, by differences: l_x = (l(1,0) - l(-1,0)) / 2,
//   l_xx = (l(2,0) - 2 l(0,0) + l(-2,0)) / 4, l_xy = (l(1,1) - l(-1,1) - l(1,-1) + l(-1,-1)) / 4.
// Peaks within two cells of the border, and those without a maximum there, stay.
using HeatmapDark = void(const Exec&, ConstView x, const HeatmapDarkParams&, View peaks);

struct FlipParams {
  // Keypoint k of the picture is keypoint permutation[k] of the mirrored one; [K], in host memory.
  std::span<const int> permutation;
  bool shift = false;  // one cell to the right, column 0 stays: undoes most of the misalignment
};
// y(y, x, k) = mirrored(y, W - 1 - x', permutation[k]) with x' = x, or max(x - 1, 0) with `shift`;
// averaged with x where x is given: (x + that) / 2. All [N,H,W,K].
using HeatmapUnflip = void(const Exec&, ConstView x, ConstView mirrored, const FlipParams&, View y);

struct HeatmapEncodeParams {
  double stride_x = 4, stride_y = 4;    // crop pixels per cell
  double sigma = 2;                     // cells
  bool subpixel = false;                // the Gaussian's middle is the exact place, not its cell
  std::span<const float> loss_weights;  // [K] in host memory, or empty (all 1)
};
// Gaussian targets (Xiao et al., ECCV 2018). joints f64 [N,K,2] = (x, y) in crop pixels, weight f32
// [N,K]. Keypoint k of weight > 0.5 becomes exp(-d^2 / (2 sigma^2)) around its nearest cell
// (rounded half up, but towards zero left of and above the map), cut off at the square of radius
// int(3 sigma); everything else is 0. With `subpixel` d is the distance from the joint itself, the
// square the same (Zhang et al., CVPR 2020; cut off as in the code of Huang et al., CVPR 2020). A
// keypoint whose square lies outside the map gets weight 0; one that only touches its left or upper
// edge keeps its weight with an empty map. Weights are multiplied by loss_weights at the end, in
// place. target [N,H,W,K].
using HeatmapEncode = void(const Exec&, ConstView joints, const HeatmapEncodeParams&, View weight,
                           View target);

// Declares the family in a device's namespace.
#define AKIMBO_DECLARE_HEATMAP                \
  SoftArgmaxForward soft_argmax_forward;      \
  SoftArgmaxInputGrad soft_argmax_input_grad; \
  HeatmapArgmax heatmap_argmax;               \
  HeatmapPeaks heatmap_peaks;                 \
  HeatmapDecode heatmap_decode;               \
  HeatmapRefine heatmap_refine;               \
  HeatmapDark heatmap_dark;                   \
  HeatmapUnflip heatmap_unflip;               \
  HeatmapEncode heatmap_encode;

namespace cpu {
AKIMBO_DECLARE_HEATMAP
}  // namespace cpu

namespace cuda {
AKIMBO_DECLARE_HEATMAP
}  // namespace cuda

#undef AKIMBO_DECLARE_HEATMAP

}  // namespace akimbo::kernels
