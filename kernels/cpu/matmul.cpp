// Matrix products on the CPU.
#include "kernels/matmul.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

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

void matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  matmul_plain(exec, a, b, params, y);
}

}  // namespace akimbo::kernels::cpu
