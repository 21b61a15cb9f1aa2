// Training losses. Each returns one element, shape [1], f64 for f64 predictions, else f32; only
// predictions get a gradient, and a target that wants one is refused.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace akimbo::ops {

// pred, target [N,H,W,K] (or [N,P,K]), weight t [N,K] or undefined (all 1): the mean over
// everything of (t pred - t target)^2 / 2. The weight enters squared, and masked keypoints count in
// the mean, as in the published heatmap methods (JointsMSELoss).
[[nodiscard]] Tensor joints_mse(const Tensor& pred, const Tensor& target,
                                const Tensor& weight = {});

// Online hard keypoint mining (JointsOHKMMSELoss of HRNet's code): per image, the mean over its
// top_k keypoints of largest loss t^2 mean_p (pred - target)^2 / 2; then the mean over images. Only
// those have a gradient. Of equal losses the first keypoints count. Shapes as joints_mse; throws
// ArgumentError unless 1 <= top_k <= K.
[[nodiscard]] Tensor joints_ohkm(const Tensor& pred, const Tensor& target, const Tensor& weight,
                                 std::int64_t top_k = 8);

struct LossOptions {
  bool sum = false;  // sum instead of mean over all elements
};

// Mean (or sum) of weight * distance over all elements; weight of the same shape, or undefined.
// A mean divides by the number of elements, whatever the weights.
[[nodiscard]] Tensor mse_loss(const Tensor& pred, const Tensor& target, const Tensor& weight = {},
                              const LossOptions& options = {});
[[nodiscard]] Tensor l1_loss(const Tensor& pred, const Tensor& target, const Tensor& weight = {},
                             const LossOptions& options = {});
// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; beta > 0.
[[nodiscard]] Tensor smooth_l1_loss(const Tensor& pred, const Tensor& target, double beta = 1,
                                    const Tensor& weight = {}, const LossOptions& options = {});

struct CrossEntropyOptions {
  std::int64_t ignore_index = -100;  // rows with this class do not count
};

// logits [..., C], index i64 of the shape without C: mean of -log softmax(logits)[index] over the
// rows that count, 0 if none does. Throws ArgumentError for a class outside [0, C).
[[nodiscard]] Tensor cross_entropy(const Tensor& logits, const Tensor& index,
                                   const CrossEntropyOptions& options = {});

}  // namespace akimbo::ops
