#include "kernels/cpu/elementwise_simd.h"

#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using S = hn::ScalableTag<float>;

void add_f32(const float* a, const float* b, float* y, std::int64_t count) {
  const S s;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(s, a + i), hn::LoadU(s, b + i)), s, y + i);
  }
  for (; i < count; ++i) y[i] = a[i] + b[i];
}

void relu_f32(const float* x, float* y, std::int64_t count) {
  const S s;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  const auto zero = hn::Zero(s);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(s, x + i);
    hn::StoreU(hn::IfThenZeroElse(hn::Lt(v, zero), v), s, y + i);
  }
  for (; i < count; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

void relu_grad_f32(const float* y, const float* grad_y, float* grad_x, std::int64_t count) {
  const S s;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  const auto zero = hn::Zero(s);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto open = hn::Gt(hn::LoadU(s, y + i), zero);
    hn::StoreU(hn::IfThenElseZero(open, hn::LoadU(s, grad_y + i)), s, grad_x + i);
  }
  for (; i < count; ++i) grad_x[i] = y[i] > 0 ? grad_y[i] : 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(add_f32);
HWY_EXPORT(relu_f32);
HWY_EXPORT(relu_grad_f32);

void add_f32(const float* a, const float* b, float* y, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(add_f32)(a, b, y, count);
}
void relu_f32(const float* x, float* y, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(relu_f32)(x, y, count);
}
void relu_grad_f32(const float* y, const float* grad_y, float* grad_x, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(relu_grad_f32)(y, grad_y, grad_x, count);
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
