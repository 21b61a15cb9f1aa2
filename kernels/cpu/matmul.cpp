// Matrix products on the CPU: the blocked products of convolution, and the plain loop.
#include "kernels/matmul.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_gather.h"
#include "kernels/cpu/conv_weight_grad.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {

void matmul_plain(const Exec&, ConstView a, ConstView b, const MatmulParams& params, View y) {
  const std::int64_t m = y.dim(0), n = y.dim(1), k = a.dim(params.transpose_a ? 0 : 1);
  const std::int64_t a_row = params.transpose_a ? 1 : k, a_col = params.transpose_a ? m : 1;
  const std::int64_t b_row = params.transpose_b ? 1 : n, b_col = params.transpose_b ? k : 1;
  visit_floating(y.dtype, [&]<typename T>() {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    const T* bias = params.bias.data<T>();
    T* py = y.data<T>();
    const std::int64_t grain = (1 << 16) / std::max<std::int64_t>(1, n * k) + 1;
    parallel_for(m, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t index = begin * n; index < end * n; ++index) {
        const std::int64_t i = index / n, j = index % n;
        T sum = 0;
        for (std::int64_t l = 0; l < k; ++l) {
          sum += pa[i * a_row + l * a_col] * pb[l * b_row + j * b_col];
        }
        py[index] = bias != nullptr ? sum + bias[j] : sum;
      }
    });
  });
}

namespace {

// A product is a 1x1 convolution over M pixels of K channels, with a weight [N, 1, 1, K].
void rows_product(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  const std::int64_t m = y.dim(0), n = y.dim(1), k = a.dim(1);
  visit_floating(y.dtype, [&]<typename T>() {
    const Scratch<T> packed(exec, static_cast<std::size_t>(gemm_packed_numel<T>(k, n)));
    const std::int64_t tap_offset = 0;
    gemm_pack<T>({.data = b.data<T>(),
                  .tap_offset = &tap_offset,
                  .taps = 1,
                  .channels = k,
                  .columns = n,
                  .c_stride = params.transpose_b ? 1 : n,
                  .n_stride = params.transpose_b ? k : 1},
                 packed.data());
    gather_product(exec, GatherDirection::small_to_big, GatherSum::inputs,
                   {a.pointer, a.dtype, {1, m, 1, k}}, {n, 1, 1, k},
                   {packed.data(), y.dtype, {gemm_packed_numel<T>(k, n)}}, {.shift = params.bias},
                   {}, {y.pointer, y.dtype, {1, m, 1, n}});
  });
}

}  // namespace

void matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  if (!params.transpose_a) {
    rows_product(exec, a, b, params, y);
  } else if (!params.transpose_b && !params.bias) {
    // A sum over the rows of both: the weight gradient of a 1x1 convolution.
    const std::int64_t k = a.dim(0), m = y.dim(0), n = y.dim(1);
    weight_grad_product(exec, Gathered::b, {a.pointer, a.dtype, {1, k, 1, m}},
                        {b.pointer, b.dtype, {1, k, 1, n}}, {}, {y.pointer, y.dtype, {m, 1, 1, n}});
  } else {
    matmul_plain(exec, a, b, params, y);
  }
}

}  // namespace akimbo::kernels::cpu
