// Contract of matrix products. Row-major, contiguous; a, b and y of one dtype: f32, f64, and on
// CUDA bf16 or f16 (sums and bias in f32).
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

struct MatmulParams {
  bool transpose_a = false;  // a is stored [K, M]
  bool transpose_b = false;  // b is stored [N, K]
  ConstView bias;            // [N], added to every row; may be absent
};

// y [M, N] = A [M, K] B [K, N] + bias. y aliases nothing. Deterministic.
using Matmul = void(const Exec&, ConstView a, ConstView b, const MatmulParams&, View y);

namespace cpu {
Matmul matmul;
Matmul matmul_plain;  // the formula as a loop
}  // namespace cpu

namespace cuda {
Matmul matmul;
}  // namespace cuda

}  // namespace akimbo::kernels
