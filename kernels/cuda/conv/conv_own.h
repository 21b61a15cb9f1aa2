// Our own convolutions: the six passes of kernels/conv.h as two kinds of task, and the choice among
// tensor-core products, depthwise kernels and the direct kernel.
#pragma once

#include <optional>
#include <vector>

#include "kernels/conv.h"
#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/conv/conv_weight_grad.h"

namespace akimbo::kernels::cuda {

// Forward passes and input gradients: y = finish(gathered source times filter).
struct GatherTask {
  Direction direction = Direction::small_to_big;
  Order filter_order = Order::k_contiguous;
  ConstView source, filter;
  ConvEpilogue epilogue;
  Conv2dParams params;
  View y;
};
// Without a choice, choose_gather decides.
void own_gather(const Exec& exec, const GatherTask& task,
                std::optional<GatherChoice> choice = std::nullopt);
// What an autotuner may pass as a choice; empty when the task does not run as a product.
[[nodiscard]] std::vector<GatherChoice> own_gather_candidates(const Exec& exec,
                                                              const GatherTask& task);

// Weight gradients. The weight is small_first for a convolution, big_first for a transposed one.
struct WeightGradTask {
  ConstView small, big;
  WeightOrder order = WeightOrder::small_first;
  Conv2dParams params;
  View grad_w;
};
void own_weight_grad(const Exec& exec, const WeightGradTask& task,
                     std::optional<WeightGradChoice> choice = std::nullopt);
[[nodiscard]] std::vector<WeightGradChoice> own_weight_grad_candidates(const Exec& exec,
                                                                       const WeightGradTask& task);

// The product that computes on a dtype; f64 has none.
[[nodiscard]] std::optional<Product> product_of(const Exec& exec, DType dtype);

}  // namespace akimbo::kernels::cuda
