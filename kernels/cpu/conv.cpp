// Convolution on the CPU: chooses the implementation.
#include "kernels/conv.h"

#include <algorithm>
#include <cstddef>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_bf16.h"
#include "kernels/cpu/conv_gather.h"
#include "kernels/cpu/conv_sums.h"
#include "kernels/cpu/conv_weight_grad.h"
#include "kernels/cpu/conv_widen.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/elementwise.h"

namespace akimbo::kernels::cpu {
namespace {

using D = GatherDirection;

// The products of kernels/cpu/gemm.h pay whenever a group has some width. Depthwise filters, and
// strides so large that nearly all phases are empty, run as plain loops.
bool use_products(const Shape& weight, const Conv2dParams& params) {
  const bool narrow = params.groups > 1 && weight[3] * (weight[0] / params.groups) < 16;
  return !narrow && params.stride <= 16;
}

WinogradPass forward_pass(D direction) {
  return direction == D::small_to_big ? WinogradPass::conv : WinogradPass::conv_transpose;
}

WinogradPass input_grad_pass(D direction) {
  return direction == D::big_to_small ? WinogradPass::conv_input_grad
                                      : WinogradPass::conv_transpose_input_grad;
}

// A weight that is transformed for one pass takes memory at the peak of a training step, so the
// largest are not.
Conv2dParams without_packed(const Shape& weight, Conv2dParams params) {
  params.winograd = params.winograd && weight[0] * weight[3] <= 256 * 256;
  return params;
}

// A weight in the order that a pass reads, in scratch memory.
class PackedScratch {
 public:
  PackedScratch(const Exec& exec, std::int64_t numel, DType dtype)
      : bytes_(exec, static_cast<std::size_t>(numel) * dtype_bytes(dtype)),
        view{bytes_.data(), dtype, {numel}} {}

 private:
  Scratch<std::byte> bytes_;

 public:
  const View view;
};

std::int64_t packed_numel(D direction, const Shape& w, DType dtype, const Conv2dParams& params) {
  if (bf16_pays(w, dtype, params)) return conv_bf16_packed_numel(direction, w, params);
  const WinogradPass pass = forward_pass(direction);
  if (winograd_pays(pass, w, params)) return winograd_packed_numel(pass, w, dtype, params);
  if (!use_products(w, params)) return 0;
  return gather_packed_numel(direction, GatherSum::inputs, w, dtype, params);
}

void pack_weight(const Exec& exec, D direction, ConstView w, const Conv2dParams& params,
                 View packed) {
  const WinogradPass pass = forward_pass(direction);
  if (bf16_pays(w.shape, packed.dtype, params)) {
    conv_bf16_pack(exec, direction, w, params, packed);
  } else if (winograd_pays(pass, w.shape, params)) {
    winograd_pack(exec, pass, w, params, packed);
  } else {
    gather_pack(direction, GatherSum::inputs, w, params, packed);
  }
}

void forward_product(const Exec& exec, D direction, ConstView x, const ConvWeight& w,
                     const ConvEpilogue& e, const Conv2dParams& params, View y) {
  const Shape& shape = w.weight.shape;
  if (!w.packed) {
    const Conv2dParams p = without_packed(shape, params);
    const PackedScratch packed(exec, packed_numel(direction, shape, y.dtype, p), y.dtype);
    pack_weight(exec, direction, w.weight, p, packed.view);
    forward_product(exec, direction, x, {w.weight, packed.view}, e, p, y);
    return;
  }
  const WinogradPass pass = forward_pass(direction);
  if (bf16_pays(shape, y.dtype, params)) {
    conv_bf16_product(exec, direction, x, shape, w.packed, e, params, y);
  } else if (winograd_pays(pass, shape, params)) {
    winograd_product(exec, pass, x, shape, w.packed, e, params, y);
  } else {
    gather_product(exec, direction, GatherSum::inputs, x, shape, w.packed, e, params, y);
  }
}

// `addend` may be empty.
void input_grad_product(const Exec& exec, D direction, ConstView grad_y, ConstView w,
                        ConstView addend, const Conv2dParams& params, View grad_x) {
  const ConvEpilogue epilogue{.residual = addend};
  const WinogradPass pass = input_grad_pass(direction);
  if (winograd_pays(pass, w.shape, without_packed(w.shape, params))) {
    const PackedScratch packed(exec, winograd_packed_numel(pass, w.shape, w.dtype, params),
                               w.dtype);
    winograd_pack(exec, pass, w, params, packed.view);
    winograd_product(exec, pass, grad_y, w.shape, packed.view, epilogue, params, grad_x);
    return;
  }
  const PackedScratch packed(
      exec, gather_packed_numel(direction, GatherSum::outputs, w.shape, w.dtype, params), w.dtype);
  gather_pack(direction, GatherSum::outputs, w, params, packed.view);
  gather_product(exec, direction, GatherSum::outputs, grad_y, w.shape, packed.view, epilogue,
                 params, grad_x);
}

}  // namespace

std::int64_t conv2d_packed_numel(const Shape& w, DType dtype, const Conv2dParams& params) {
  return packed_numel(D::small_to_big, w, dtype, params);
}

void conv2d_pack_weight(const Exec& exec, ConstView w, const Conv2dParams& params, View packed) {
  pack_weight(exec, D::small_to_big, w, params, packed);
}

std::int64_t conv_transpose2d_packed_numel(const Shape& w, DType dtype,
                                           const Conv2dParams& params) {
  return packed_numel(D::big_to_small, w, dtype, params);
}

void conv_transpose2d_pack_weight(const Exec& exec, ConstView w, const Conv2dParams& params,
                                  View packed) {
  pack_weight(exec, D::big_to_small, w, params, packed);
}

void conv2d_forward(const Exec& exec, ConstView x, const ConvWeight& w, const ConvEpilogue& e,
                    const Conv2dParams& params, View y) {
  const Shape& shape = w.weight.shape;
  if (!use_products(shape, params)) {
    conv2d_forward_plain(exec, x, w, e, params, y);
    return;
  }
  if (widening_pays(shape, params)) {
    visit_floating(x.dtype, [&]<typename T>() {
      const WidenedInput<T> wide(exec, x, params);
      ConvWeight wide_w = w;
      wide_w.weight.shape = widened_weight(shape);
      forward_product(exec, D::small_to_big, wide.x(), wide_w, e, widened_params(params), y);
    });
  } else {
    forward_product(exec, D::small_to_big, x, w, e, params, y);
  }
  channel_sums(y, e.channel_sums);
}

void conv2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w, const Conv2dParams& params,
                       View grad_x) {
  if (!use_products(w.shape, params)) {
    conv2d_input_grad_plain(exec, grad_y, w, params, grad_x);
  } else {
    input_grad_product(exec, D::big_to_small, grad_y, w, {}, params, grad_x);
  }
}

void conv2d_input_grad_add(const Exec& exec, ConstView grad_y, ConstView w, ConstView addend,
                           const Conv2dParams& params, View grad_x) {
  if (!use_products(w.shape, params)) {
    conv2d_input_grad_plain(exec, grad_y, w, params, grad_x);
    add_forward(exec, grad_x, addend, grad_x);
  } else {
    input_grad_product(exec, D::big_to_small, grad_y, w, addend, params, grad_x);
  }
}

void conv2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y, const Conv2dParams& params,
                        View grad_w) {
  if (!use_products(grad_w.shape, params)) {
    conv2d_weight_grad_plain(exec, x, grad_y, params, grad_w);
  } else if (widening_pays(grad_w.shape, params)) {
    visit_floating(x.dtype, [&]<typename T>() {
      const WidenedInput<T> wide(exec, x, params);
      const View wide_w{grad_w.pointer, grad_w.dtype, widened_weight(grad_w.shape)};
      weight_grad_product(exec, Gathered::b, grad_y, wide.x(), widened_params(params), wide_w);
    });
  } else if (winograd_pays(WinogradPass::conv, grad_w.shape, params) && grad_y.numel() > 0) {
    winograd_weight_grad(exec, x, grad_y, params, grad_w);
  } else {
    weight_grad_product(exec, Gathered::b, grad_y, x, params, grad_w);
  }
}

void conv_transpose2d_forward(const Exec& exec, ConstView x, const ConvWeight& w,
                              const ConvEpilogue& e, const Conv2dParams& params, View y) {
  if (!use_products(w.weight.shape, params)) {
    conv_transpose2d_forward_plain(exec, x, w, e, params, y);
  } else {
    forward_product(exec, D::big_to_small, x, w, e, params, y);
    channel_sums(y, e.channel_sums);
  }
}

void conv_transpose2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w,
                                 const Conv2dParams& params, View grad_x) {
  if (!use_products(w.shape, params)) {
    conv_transpose2d_input_grad_plain(exec, grad_y, w, params, grad_x);
  } else {
    input_grad_product(exec, D::small_to_big, grad_y, w, {}, params, grad_x);
  }
}

void conv_transpose2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y,
                                  const Conv2dParams& params, View grad_w) {
  if (!use_products(grad_w.shape, params)) {
    conv_transpose2d_weight_grad_plain(exec, x, grad_y, params, grad_w);
  } else if (winograd_transpose_weight_grad_pays(grad_w.shape, params) && x.numel() > 0) {
    winograd_transpose_weight_grad(exec, x, grad_y, grad_w);
  } else {
    weight_grad_product(exec, Gathered::a, grad_y, x, params, grad_w);
  }
}

// Blocks of rows are summed apart and then together in a fixed order: the same bits for any number
// of threads, and a smaller rounding error than one long sum.
void conv_bias_grad(const Exec& exec, ConstView grad_y, View grad_bias) {
  constexpr std::int64_t kBlockRows = 256;
  const std::int64_t channels = grad_bias.numel();
  if (channels == 0) return;
  const std::int64_t rows = grad_y.numel() / channels;
  const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  visit_floating(grad_bias.dtype, [&]<typename T>() {
    const Scratch<T> partial(exec, static_cast<std::size_t>(blocks * channels));
    const T* in = grad_y.data<T>();
    parallel_for(blocks, 1, [&](std::int64_t block, std::int64_t) {
      T* sum = partial.data() + block * channels;
      std::fill_n(sum, channels, T(0));
      const std::int64_t end = std::min(rows, (block + 1) * kBlockRows);
      for (std::int64_t row = block * kBlockRows; row < end; ++row) {
        for (std::int64_t c = 0; c < channels; ++c) sum[c] += in[row * channels + c];
      }
    });
    T* out = grad_bias.data<T>();
    std::fill_n(out, channels, T(0));
    for (std::int64_t block = 0; block < blocks; ++block) {
      const T* sum = partial.data() + block * channels;
      for (std::int64_t c = 0; c < channels; ++c) out[c] += sum[c];
    }
  });
}

}  // namespace akimbo::kernels::cpu
