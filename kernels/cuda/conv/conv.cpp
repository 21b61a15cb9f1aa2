// Convolution on CUDA devices: the passes of kernels/conv.h as tasks.
#include "kernels/conv.h"

#include <stdexcept>

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_provider.h"

namespace akimbo::kernels::cuda {

// The kernels read weights in the contract's order: its rows are what they copy 16 bytes at a time.
std::int64_t conv2d_packed_numel(const Shape&, DType, const Conv2dParams&) { return 0; }
std::int64_t conv_transpose2d_packed_numel(const Shape&, DType, const Conv2dParams&) { return 0; }

void conv2d_pack_weight(const Exec&, ConstView, const Conv2dParams&, View) {
  throw std::logic_error("[conv2d_pack_weight] CUDA kernels take weights as they are");
}
void conv_transpose2d_pack_weight(const Exec&, ConstView, const Conv2dParams&, View) {
  throw std::logic_error("[conv_transpose2d_pack_weight] CUDA kernels take weights as they are");
}

void conv2d_forward(const Exec& exec, ConstView x, const ConvWeight& w, const ConvEpilogue& e,
                    const Conv2dParams& params, View y) {
  provide_gather(exec, {Direction::small_to_big, Order::k_contiguous, x, w.weight, e, params, y});
}

void conv2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w, const Conv2dParams& params,
                       View grad_x) {
  provide_gather(exec, {Direction::big_to_small, Order::k_strided, grad_y, w, {}, params, grad_x});
}

void conv2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y, const Conv2dParams& params,
                        View grad_w) {
  provide_weight_grad(exec, {grad_y, x, WeightOrder::small_first, params, grad_w});
}

void conv_transpose2d_forward(const Exec& exec, ConstView x, const ConvWeight& w,
                              const ConvEpilogue& e, const Conv2dParams& params, View y) {
  provide_gather(exec, {Direction::big_to_small, Order::k_contiguous, x, w.weight, e, params, y});
}

void conv_transpose2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w,
                                 const Conv2dParams& params, View grad_x) {
  provide_gather(exec, {Direction::small_to_big, Order::k_strided, grad_y, w, {}, params, grad_x});
}

void conv_transpose2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y,
                                  const Conv2dParams& params, View grad_w) {
  provide_weight_grad(exec, {x, grad_y, WeightOrder::big_first, params, grad_w});
}

void conv_bias_grad(const Exec& exec, ConstView grad_y, View grad_bias) {
  const std::int64_t channels = grad_bias.numel();
  if (channels == 0) return;
  total_column_sums(exec, {grad_y.pointer, grad_y.dtype, {grad_y.numel() / channels, channels}},
                    grad_bias);
}

}  // namespace akimbo::kernels::cuda
