#include "kernels/cuda/vendor/batch_norm_rules.h"

namespace akimbo::kernels::cuda::vendor {
namespace {

bool is_16_bit(DType dtype) { return dtype == DType::bf16 || dtype == DType::f16; }

bool fits(ConstView x) {
  const bool known = x.dtype == DType::f32 || is_16_bit(x.dtype);
  // N beyond 65535 is refused by its inference kernels (the limit of grid.y).
  return known && x.numel() > 0 && x.numel() < (std::int64_t{1} << 31) &&
         batch_norm_extents(x.shape)[0] <= 65535;
}

bool same(ConstView a, ConstView b) { return a && a.pointer == b.pointer; }

}  // namespace

Shape batch_norm_extents(const Shape& x) {
  if (x.rank() == 4) return x;
  const std::int64_t channels = x[x.rank() - 1];
  return {1, channels > 0 ? x.numel() / channels : 0, 1, channels};
}

bool cudnn_may_take(const BatchNormForwardArgs& args, ConstView y) {
  return fits(args.x) && !same(args.x, y) && !same(args.residual, y);
}

bool cudnn_may_take(const BatchNormTrainingArgs& args) { return fits(args.x); }

bool cudnn_may_take(const BatchNormGradArgs& args) {
  return fits(args.x) && args.training && args.grad_x;
}

bool is_persistent(DType dtype) { return is_16_bit(dtype); }

BatchNormFusion best_fusion(const BatchNormTrainingArgs& args) {
  if (!args.relu || !is_16_bit(args.x.dtype)) return BatchNormFusion::none;
  if (!args.residual) return BatchNormFusion::relu;
  return args.x.dim(-1) % 4 == 0 ? BatchNormFusion::residual_relu : BatchNormFusion::none;
}

}  // namespace akimbo::kernels::cuda::vendor
