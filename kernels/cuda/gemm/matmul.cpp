// Matrix products on CUDA devices, by our kernels or cuBLASLt (provider.h). The vendor's product
// stands for all of its own; ours runs by the rule.
#include "kernels/matmul.h"

#include "kernels/cuda/gemm/matmul_own.h"
#include "kernels/cuda/provider.h"
#include "kernels/cuda/vendor/cublaslt.h"

namespace akimbo::kernels::cuda {

void matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  if (!vendor::cublaslt_takes(a, b, y)) return own_matmul(exec, a, b, params, y);
  const auto key = [&] {
    return "matmul " + product_dtype(exec, y.dtype) + " " + a.shape.str() +
           (params.transpose_a ? "T " : " ") + b.shape.str() + (params.transpose_b ? "T" : "") +
           (params.bias ? " bias" : "");
  };
  using Outputs = std::span<const View>;
  own_or_vendor(exec,
                {"cublaslt", key, [&](Outputs out) { own_matmul(exec, a, b, params, out[0]); },
                 [&](Outputs out) { vendor::cublaslt_matmul(exec, a, b, params, out[0]); }},
                {&y, 1});
}

}  // namespace akimbo::kernels::cuda
