// Our matrix products: the products behind convolution (a product is a 1x1 convolution
// over rows, or the weight gradient of one), and the direct kernel for the rest: f64, both factors
// transposed, sizes beyond 32-bit indices.
#include "kernels/cuda/gemm/matmul_own.h"

#include "kernels/cuda/conv/conv_direct.h"
#include "kernels/cuda/conv/conv_own.h"
#include "kernels/cuda/conv/conv_wgmma.h"

namespace akimbo::kernels::cuda {
namespace {

bool fits(ConstView a, ConstView b, View y) {
  constexpr std::int64_t kMax = std::int64_t{1} << 27;
  return a.dim(0) < kMax && a.dim(1) < kMax && b.numel() < kMax && y.dim(0) < kMax &&
         y.dim(1) < kMax && a.dim(0) > 0 && a.dim(1) > 0;
}

}  // namespace

void own_matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  const std::optional<Product> product = product_of(exec, y.dtype);
  if (!product || !fits(a, b, y) || (params.transpose_a && params.transpose_b)) {
    direct_matmul(exec, a, params.transpose_a, b, params.transpose_b, params.bias, y);
  } else if (params.transpose_a) {
    const WeightGradProblem problem = make_transposed_product(a, b);
    run_weight_grad(exec, *product, problem, {.grad_w = y, .shift = params.bias},
                    forced_weight_grad().value_or(choose_weight_grad(*product, problem)));
  } else {
    const GatherProblem problem =
        make_product(params.transpose_b ? Order::k_contiguous : Order::k_strided, a, b);
    run_gather(exec, *product, problem, {.y = y.pointer, .shift = params.bias.pointer},
               forced_gather().value_or(choose_gather(*product, problem)));
  }
}

}  // namespace akimbo::kernels::cuda
