// Convolution on the CPU: chooses the implementation.
#include "kernels/conv.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {

std::int64_t conv2d_packed_numel(const Shape&, DType, const Conv2dParams&) { return 0; }
void conv2d_pack_weight(const Exec&, ConstView, const Conv2dParams&, View) {}
std::int64_t conv_transpose2d_packed_numel(const Shape&, DType, const Conv2dParams&) { return 0; }
void conv_transpose2d_pack_weight(const Exec&, ConstView, const Conv2dParams&, View) {}

void conv2d_forward(const Exec& exec, ConstView x, const ConvWeight& w, const ConvEpilogue& e,
                    const Conv2dParams& params, View y) {
  conv2d_forward_plain(exec, x, w, e, params, y);
}

void conv2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w, const Conv2dParams& params,
                       View grad_x) {
  conv2d_input_grad_plain(exec, grad_y, w, params, grad_x);
}

void conv2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y, const Conv2dParams& params,
                        View grad_w) {
  conv2d_weight_grad_plain(exec, x, grad_y, params, grad_w);
}

void conv_transpose2d_forward(const Exec& exec, ConstView x, const ConvWeight& w,
                              const ConvEpilogue& e, const Conv2dParams& params, View y) {
  conv_transpose2d_forward_plain(exec, x, w, e, params, y);
}

void conv_transpose2d_input_grad(const Exec& exec, ConstView grad_y, ConstView w,
                                 const Conv2dParams& params, View grad_x) {
  conv_transpose2d_input_grad_plain(exec, grad_y, w, params, grad_x);
}

void conv_transpose2d_weight_grad(const Exec& exec, ConstView x, ConstView grad_y,
                                  const Conv2dParams& params, View grad_w) {
  conv_transpose2d_weight_grad_plain(exec, x, grad_y, params, grad_w);
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
