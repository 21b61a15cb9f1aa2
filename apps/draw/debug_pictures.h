// Pictures of a training batch: its crops with labelled and with predicted keypoints, and its
// heatmaps, laid out as Simple Baselines does (specified there as debug images).
#pragma once

#include <filesystem>
#include <string>

#include "engine/core/tensor.h"
#include "engine/io/image.h"

namespace akimbo::draw {

// Channels as in `input`; the arrays are, byte for byte, what the reference hands to its image
// writer, which takes them as BGR.
//
// Crops [N,H,W,3] normalised by the smallest and largest value of the batch, eight to a row with
// gaps of 2, and circles at joints_crop [N,K,2] where visible [N,K] is above 0. As in the reference
// a batch of one has no gap, though its circles are still moved by 2.
[[nodiscard]] Image joints_picture(const Tensor& input, const Tensor& joints_crop,
                                   const Tensor& visible);

// One row per crop: the crop at the heatmaps' size with every peak, then each of heatmaps [N,h,w,K]
// in JET's colours over it.
[[nodiscard]] Image heatmap_picture(const Tensor& input, const Tensor& heatmaps);

// What training has at hand. Tensors are f32 on the CPU.
struct DebugBatch {
  Tensor input;        // [N,H,W,3], normalised
  Tensor joints_crop;  // [N,K,2], labelled, in the crop's pixels
  Tensor visible;      // [N,K]
  Tensor target;       // [N,h,w,K]
  Tensor output;       // [N,h,w,K]
  bool is_rgb = true;  // order of the input's channels
};

// Writes STEM_{gt,pred,hm_gt,hm_pred}.jpg into `dir`, colours right for either channel order.
// Predicted keypoints are the heatmaps' largest values, at the crop's size.
void write_debug_pictures(const std::filesystem::path& dir, const std::string& stem,
                          const DebugBatch& batch);

}  // namespace akimbo::draw
