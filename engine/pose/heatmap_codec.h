// Heatmap targets of top-down networks: one Gaussian per keypoint on a grid coarser than the crop.
// The way back, from a network's maps to keypoints, is heatmap_decode.h.
#pragma once

#include <span>

#include "engine/core/tensor.h"
#include "engine/pose/affine.h"

namespace akimbo {

// The sizes of a network's input and output and the spread of its targets; what training, decoding
// and the head agree on. Sizes in pixels and cells, sigma in cells.
struct HeatmapCodec {
  Size2 input_size{192, 256};
  Size2 heatmap_size{48, 64};
  double sigma = 2;
  // Targets around the exact place of a keypoint instead of its nearest cell: "unbiased coordinate
  // encoding" (Zhang, Zhu, Dai, Ye, Zhu: Distribution-Aware Coordinate Representation, CVPR 2020).
  bool subpixel_targets = false;
  // Unbiased data processing (Huang, Zhu, Guo, Huang: The Devil Is in the Details, CVPR 2020):
  // sides are measured between the centres of their first and last pixel, W - 1 of them, so that
  // crop, heatmap and mirror image lie exactly on each other.
  bool udp = false;

  // The map from image to crop for a region turned by `rotation_deg`, and from heatmap back to the
  // image for a region that is not turned; as published (affine.h) or, with udp,
  //   x' = (W - 1) / w ( cos (x - cx) + sin (y - cy) + w / 2), w = 200 scale_x,
  //   y' = (H - 1) / h (-sin (x - cx) + cos (y - cy) + h / 2), h = 200 scale_y.
  [[nodiscard]] Affine image_to_crop(const CenterScale& region, double rotation_deg = 0) const;
  [[nodiscard]] Affine heatmap_to_image(const CenterScale& region) const;

  // Crop pixels per heatmap cell: W / w, with udp (W - 1) / (w - 1).
  [[nodiscard]] double stride_x() const;
  [[nodiscard]] double stride_y() const;
  // Width / height of the input: to what a box is grown.
  [[nodiscard]] double aspect() const;
  // Throws ArgumentError when a size or sigma is not positive. `where` opens the message.
  void check(const char* where) const;
};

// Fills `target` [h, w, K] with the maps of one person. Keypoint k of weight[k] > 0.5 becomes
// exp(-d^2 / (2 sigma^2)) around its nearest cell (rounded half up, but towards zero left of and
// above the map), cut off at the square of 3 sigma; its peak is 1. With subpixel_targets the square
// is the same, and d the distance from the keypoint itself. A keypoint whose square lies
// outside the map gets weight 0; one that only touches its left or upper edge keeps its weight with
// an empty map, as in the references. joints_crop [K] are in crop pixels. `loss_weights` [K], when
// given, multiply the weights at the end (Skeleton::weights).
void encode_heatmaps(const HeatmapCodec& codec, std::span<const Point> joints_crop,
                     std::span<float> weight, std::span<float> target,
                     std::span<const float> loss_weights = {});

// The same for a batch, on the device of the operands: joints_crop f64 [N,K,2], weight f32 [N,K]
// (changed in place). Returns the targets [N, h, w, K]; dtype f32, on a GPU also bf16 or f16.
[[nodiscard]] Tensor encode_heatmaps(const HeatmapCodec& codec, const Tensor& joints_crop,
                                     Tensor& weight, DType dtype = DType::f32,
                                     std::span<const float> loss_weights = {});

}  // namespace akimbo
