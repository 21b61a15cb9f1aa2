#include "kernels/cpu/pool_simd.h"

#include <cmath>

#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pool_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using S = hn::ScalableTag<float>;
using I = hn::RebindToSigned<S>;
using B = hn::Rebind<std::uint8_t, S>;

template <bool kIndex>
void max_vectors(const float* from, std::int64_t row_stride, std::int64_t channels,
                 const PoolWindow& w, float* y, std::uint8_t* index) {
  const S s;
  const I n;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  for (std::int64_t c = 0; c + lanes <= channels; c += lanes) {
    auto best = hn::LoadU(s, from + c);
    auto at = hn::Set(n, static_cast<std::int32_t>(w.begin_y * w.kernel_w + w.begin_x));
    for (std::int64_t j = w.begin_y; j < w.end_y; ++j) {
      for (std::int64_t i = w.begin_x; i < w.end_x; ++i) {
        const float* pixel = from + (j - w.begin_y) * row_stride + (i - w.begin_x) * channels;
        const auto v = hn::LoadU(s, pixel + c);
        // NaN is larger than any number; the first one stays, as no comparison with it holds.
        const auto larger = hn::Or(hn::Gt(v, best), hn::AndNot(hn::IsNaN(best), hn::IsNaN(v)));
        best = hn::IfThenElse(larger, v, best);
        if constexpr (kIndex) {
          const auto here = hn::Set(n, static_cast<std::int32_t>(j * w.kernel_w + i));
          at = hn::IfThenElse(hn::RebindMask(n, larger), here, at);
        }
      }
    }
    hn::StoreU(best, s, y + c);
    if constexpr (kIndex) hn::StoreU(hn::DemoteTo(B(), at), B(), index + c);
  }
}

void max_pool_pixel(const float* from, std::int64_t row_stride, std::int64_t channels,
                    const PoolWindow& w, float* y, std::uint8_t* index) {
  if (index != nullptr) {
    max_vectors<true>(from, row_stride, channels, w, y, index);
  } else {
    max_vectors<false>(from, row_stride, channels, w, y, index);
  }
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(S()));
  for (std::int64_t c = channels / lanes * lanes; c < channels; ++c) {
    bool first = true;
    for (std::int64_t j = w.begin_y; j < w.end_y; ++j) {
      for (std::int64_t i = w.begin_x; i < w.end_x; ++i) {
        const float v = from[(j - w.begin_y) * row_stride + (i - w.begin_x) * channels + c];
        if (!first && !(v > y[c] || (std::isnan(v) && !std::isnan(y[c])))) continue;
        y[c] = v;
        if (index != nullptr) index[c] = static_cast<std::uint8_t>(j * w.kernel_w + i);
        first = false;
      }
    }
  }
}

void max_pool_grad_window(const float* grad_y, const std::uint8_t* index, std::uint8_t position,
                          std::int64_t channels, bool first, float* grad_x) {
  const S s;
  const I n;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  const auto here = hn::Set(n, static_cast<std::int32_t>(position));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    const auto at = hn::PromoteTo(n, hn::LoadU(B(), index + c));
    auto g = hn::IfThenElseZero(hn::RebindMask(s, hn::Eq(at, here)), hn::LoadU(s, grad_y + c));
    if (!first) g = hn::Add(hn::LoadU(s, grad_x + c), g);
    hn::StoreU(g, s, grad_x + c);
  }
  for (; c < channels; ++c) {
    const float g = index[c] == position ? grad_y[c] : 0;
    grad_x[c] = first ? g : grad_x[c] + g;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(max_pool_pixel);
HWY_EXPORT(max_pool_grad_window);

void max_pool_pixel(const float* from, std::int64_t row_stride, std::int64_t channels,
                    const PoolWindow& window, float* y, std::uint8_t* index) {
  HWY_DYNAMIC_DISPATCH(max_pool_pixel)(from, row_stride, channels, window, y, index);
}
void max_pool_grad_window(const float* grad_y, const std::uint8_t* index, std::uint8_t position,
                          std::int64_t channels, bool first, float* grad_x) {
  HWY_DYNAMIC_DISPATCH(max_pool_grad_window)(grad_y, index, position, channels, first, grad_x);
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
