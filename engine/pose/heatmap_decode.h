// From heatmaps back to keypoints: arg-max, quarter-cell offset, the way back to the image, the
// averaging of a mirrored pass, and the accuracy that training logs. Heatmaps are f32, on a GPU
// also bf16 or f16, and are read where they lie; peaks are f32 on the CPU.
#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/pose/affine.h"

namespace akimbo {

// Place and value of the first maximum (rows top to bottom, each left to right) of every map.
// heatmaps [N, H, W, K]; returns [N, K, 3] (x_heatmap, y_heatmap, score). A maximum of 0 or less
// gives (0, 0) with the score kept; NaN never wins.
[[nodiscard]] Tensor heatmap_argmax(const Tensor& heatmaps);
// The same on the heatmaps' device, not waited for.
[[nodiscard]] Tensor heatmap_argmax_on_device(const Tensor& heatmaps);

// Moves peaks [N, K, 3] of heatmap_argmax a quarter of a cell towards the larger neighbour, in x
// and y separately. Peaks in rows or columns 0 and 1 or in the last stay (the published code leaves
// out 1 without need; kept for equal results).
void refine_quarter_offset(const Tensor& heatmaps, Tensor& peaks);

// The map from a heatmap of that size to the image, for a crop of that region without rotation.
[[nodiscard]] Affine heatmap_to_image(const CenterScale& region, Size2 heatmap);

// peaks [N, K, 3] in heatmap cells to [N, K, 3] in image pixels, one matrix per sample (double
// inside, rounded once).
[[nodiscard]] Tensor peaks_to_image(const Tensor& peaks, std::span<const Affine> matrices);

// Moves peaks [N, K, 3] of heatmap_argmax to the top of a Gaussian fitted to the map around them:
// "distribution-aware" decoding (Zhang et al., CVPR 2020, equations 4 to 9). The map is smoothed
// with a Gaussian kernel [kernel, kernel] (0 outside the map; the sigma that OpenCV takes for that
// size, 2 for 11) and brought back to its maximum, then one Newton step is taken on its logarithm.
// Peaks within two cells of the border, and those where the map has no maximum, stay. Computed on
// the heatmaps' device; an odd kernel of 3 to 63.
void refine_dark(const Tensor& heatmaps, Tensor& peaks, int kernel = 11);

struct DecodeOptions {
  bool quarter_offset = true;
  int dark_kernel = 0;  // above 0: refine_dark with that kernel in place of the quarter offset
};

// The three steps above: heatmaps [N, H, W, K] to keypoints [N, K, 3] (x_image, y_image, score).
[[nodiscard]] Tensor decode_heatmaps(const Tensor& heatmaps, std::span<const Affine> matrices,
                                     const DecodeOptions& options = {});

// What a network said about mirrored crops, turned back: mirrored along W, keypoints exchanged by
// Skeleton::flip_permutation, and with `shift` moved one cell to the right (column 0 stays), which
// undoes most of the misalignment of mirroring at stride 4.
[[nodiscard]] Tensor unflip_heatmaps(const Tensor& mirrored, std::span<const int> flip_permutation,
                                     bool shift);

// (heatmaps + unflip_heatmaps(mirrored)) / 2 in one pass.
[[nodiscard]] Tensor average_flipped(const Tensor& heatmaps, const Tensor& mirrored,
                                     std::span<const int> flip_permutation, bool shift);

struct HeatmapAccuracy {
  std::vector<double> per_keypoint;  // share of right samples, -1 where none counted [K]
  double average = 0.0;              // over the keypoints that count
  int num_keypoints = 0;             // how many do; the weight of `average` in a running mean
};

// PCK between the peaks of two sets of heatmaps [N, H, W, K], for the training log. A sample is
// right when its distance is below 0.5 after x / (H / 10) and y / (W / 10): the published code has
// the two norms exchanged, kept for comparable logs. Targets that peak in the first two rows or
// columns do not count.
[[nodiscard]] HeatmapAccuracy heatmap_accuracy(const Tensor& output, const Tensor& target);
// From the peaks themselves, [N, K, 3] of heatmap_argmax, on any device, of maps of that size.
[[nodiscard]] HeatmapAccuracy heatmap_accuracy(const Tensor& output_peaks,
                                               const Tensor& target_peaks, Size2 heatmap);

}  // namespace akimbo
