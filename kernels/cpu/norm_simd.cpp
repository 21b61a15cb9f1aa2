#include "kernels/cpu/norm_simd.h"

#include <algorithm>

#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Every loop takes a group of rows together: the memory is read as a few parallel streams, and what
// belongs to a channel (mean, sums) is loaded once per group instead of once per row.

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kGroup = 4;

using D = hn::ScalableTag<double>;
using F = hn::Rebind<float, D>;  // as many floats as a vector has doubles
using S = hn::ScalableTag<float>;

void sums_group(const float* x, std::int64_t rows, std::int64_t channels, double* sums) {
  const D d;
  const F f;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    auto sum = hn::LoadU(d, sums + c);
    auto square = hn::LoadU(d, sums + channels + c);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto v = hn::PromoteTo(d, hn::LoadU(f, x + r * channels + c));
      sum = hn::Add(sum, v);
      square = hn::MulAdd(v, v, square);
    }
    hn::StoreU(sum, d, sums + c);
    hn::StoreU(square, d, sums + channels + c);
  }
  for (; c < channels; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const double v = static_cast<double>(x[r * channels + c]);
      sums[c] += v;
      sums[channels + c] += v * v;
    }
  }
}

void norm_sums(const float* x, std::int64_t rows, std::int64_t channels, double* sums) {
  constexpr std::int64_t kRows = 2 * kGroup;  // little else is loaded here: more rows pay
  for (std::int64_t m = 0; m < rows; m += kRows) {
    sums_group(x + m * channels, std::min(kRows, rows - m), channels, sums);
  }
}

template <bool kResidual, bool kRelu>
void apply_group(const NormApply& a, std::int64_t at, std::int64_t rows, std::int64_t channels) {
  const S s;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  const auto zero = hn::Zero(s);
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    const auto mean = hn::LoadU(s, a.mean + c);
    const auto scale = hn::LoadU(s, a.scale + c);
    const auto beta = hn::LoadU(s, a.beta + c);
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      auto v = hn::MulAdd(hn::Sub(hn::LoadU(s, a.x + i), mean), scale, beta);
      if constexpr (kResidual) v = hn::Add(v, hn::LoadU(s, a.residual + i));
      if constexpr (kRelu) v = hn::IfThenZeroElse(hn::Lt(v, zero), v);  // NaN stays
      hn::StoreU(v, s, a.y + i);
    }
  }
  for (; c < channels; ++c) {
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      float v = (a.x[i] - a.mean[c]) * a.scale[c] + a.beta[c];
      if constexpr (kResidual) v += a.residual[i];
      a.y[i] = kRelu && v < 0 ? 0 : v;
    }
  }
}

template <bool kResidual, bool kRelu>
void apply_rows(const NormApply& a, std::int64_t rows, std::int64_t channels) {
  for (std::int64_t m = 0; m < rows; m += kGroup) {
    apply_group<kResidual, kRelu>(a, m * channels, std::min(kGroup, rows - m), channels);
  }
}

void norm_apply(const NormApply& a, std::int64_t rows, std::int64_t channels) {
  if (a.residual != nullptr) {
    a.relu ? apply_rows<true, true>(a, rows, channels) : apply_rows<true, false>(a, rows, channels);
  } else {
    a.relu ? apply_rows<false, true>(a, rows, channels)
           : apply_rows<false, false>(a, rows, channels);
  }
}

enum class Open { all, by_y, by_x };

Open open_of(const NormMask& mask) {
  if (mask.y != nullptr) return Open::by_y;
  return mask.beta != nullptr ? Open::by_x : Open::all;
}

// The mask's vectors of one channel group; loaded once for the rows.
template <Open kOpen, class V>
struct MaskVectors {
  V scale, beta;
};

template <Open kOpen, class D>
HWY_INLINE MaskVectors<kOpen, hn::Vec<D>> load_mask(D d, const NormMask& mask, std::int64_t c) {
  if constexpr (kOpen == Open::by_x)
    return {hn::LoadU(d, mask.scale + c), hn::LoadU(d, mask.beta + c)};
  return {hn::Zero(d), hn::Zero(d)};
}

// g where the ReLU was open, else zero.
template <Open kOpen, class D, class V>
HWY_INLINE V masked(D d, V g, V centred, const NormMask& mask, const MaskVectors<kOpen, V>& v,
                    std::int64_t i) {
  const auto zero = hn::Zero(d);
  if constexpr (kOpen == Open::by_y) {
    return hn::IfThenElseZero(hn::Gt(hn::LoadU(d, mask.y + i), zero), g);
  }
  if constexpr (kOpen == Open::by_x) {
    return hn::IfThenElseZero(hn::Gt(hn::MulAdd(centred, v.scale, v.beta), zero), g);
  }
  return g;
}

template <Open kOpen>
float masked(float g, float centred, const NormMask& mask, std::int64_t c, std::int64_t i) {
  if constexpr (kOpen == Open::by_y) return mask.y[i] > 0 ? g : 0;
  if constexpr (kOpen == Open::by_x) return centred * mask.scale[c] + mask.beta[c] > 0 ? g : 0;
  return g;
}

template <Open kOpen, bool kKeep>
void grad_sums_group(const NormGradSums& a, std::int64_t at, std::int64_t rows,
                     std::int64_t channels, double* sums) {
  const D d;
  const F f;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    const auto mean = hn::LoadU(f, a.mean + c);
    const auto mask = load_mask<kOpen>(f, a.open, c);
    auto sum_g = hn::LoadU(d, sums + c);
    auto sum_gx = hn::LoadU(d, sums + channels + c);
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      const auto centred = hn::Sub(hn::LoadU(f, a.x + i), mean);
      const auto g = masked<kOpen>(f, hn::LoadU(f, a.grad_y + i), centred, a.open, mask, i);
      if constexpr (kKeep) hn::StoreU(g, f, a.masked + i);
      const auto wide = hn::PromoteTo(d, g);
      sum_g = hn::Add(sum_g, wide);
      sum_gx = hn::MulAdd(wide, hn::PromoteTo(d, centred), sum_gx);
    }
    hn::StoreU(sum_g, d, sums + c);
    hn::StoreU(sum_gx, d, sums + channels + c);
  }
  for (; c < channels; ++c) {
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      const float centred = a.x[i] - a.mean[c];
      const float g = masked<kOpen>(a.grad_y[i], centred, a.open, c, i);
      if constexpr (kKeep) a.masked[i] = g;
      sums[c] += static_cast<double>(g);
      sums[channels + c] += static_cast<double>(g) * static_cast<double>(centred);
    }
  }
}

template <Open kOpen>
void grad_sums_rows(const NormGradSums& a, std::int64_t rows, std::int64_t channels, double* sums) {
  for (std::int64_t m = 0; m < rows; m += kGroup) {
    const std::int64_t count = std::min(kGroup, rows - m);
    a.masked != nullptr ? grad_sums_group<kOpen, true>(a, m * channels, count, channels, sums)
                        : grad_sums_group<kOpen, false>(a, m * channels, count, channels, sums);
  }
}

void norm_grad_sums(const NormGradSums& a, std::int64_t rows, std::int64_t channels, double* sums) {
  switch (open_of(a.open)) {
    case Open::all: return grad_sums_rows<Open::all>(a, rows, channels, sums);
    case Open::by_y: return grad_sums_rows<Open::by_y>(a, rows, channels, sums);
    case Open::by_x: return grad_sums_rows<Open::by_x>(a, rows, channels, sums);
  }
}

template <Open kOpen>
void grad_apply_group(const NormGradApply& a, std::int64_t at, std::int64_t rows,
                      std::int64_t channels) {
  const S s;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(s));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    const auto mean = hn::LoadU(s, a.mean + c);
    const auto mask = load_mask<kOpen>(s, a.open, c);
    const auto scale = hn::LoadU(s, a.scale + c);
    const auto slope = hn::LoadU(s, a.slope + c);
    const auto shift = hn::LoadU(s, a.shift + c);
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      const auto centred = hn::Sub(hn::LoadU(s, a.x + i), mean);
      const auto g = masked<kOpen>(s, hn::LoadU(s, a.grad_y + i), centred, a.open, mask, i);
      hn::StoreU(hn::MulAdd(scale, g, hn::MulAdd(slope, centred, shift)), s, a.grad_x + i);
    }
  }
  for (; c < channels; ++c) {
    for (std::int64_t i = at + c; i < at + rows * channels; i += channels) {
      const float centred = a.x[i] - a.mean[c];
      const float g = masked<kOpen>(a.grad_y[i], centred, a.open, c, i);
      a.grad_x[i] = a.scale[c] * g + (a.slope[c] * centred + a.shift[c]);
    }
  }
}

template <Open kOpen>
void grad_apply_rows(const NormGradApply& a, std::int64_t rows, std::int64_t channels) {
  for (std::int64_t m = 0; m < rows; m += kGroup) {
    grad_apply_group<kOpen>(a, m * channels, std::min(kGroup, rows - m), channels);
  }
}

void norm_grad_apply(const NormGradApply& a, std::int64_t rows, std::int64_t channels) {
  switch (open_of(a.open)) {
    case Open::all: return grad_apply_rows<Open::all>(a, rows, channels);
    case Open::by_y: return grad_apply_rows<Open::by_y>(a, rows, channels);
    case Open::by_x: return grad_apply_rows<Open::by_x>(a, rows, channels);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(norm_sums);
HWY_EXPORT(norm_apply);
HWY_EXPORT(norm_grad_sums);
HWY_EXPORT(norm_grad_apply);

void norm_sums(const float* x, std::int64_t rows, std::int64_t channels, double* sums) {
  HWY_DYNAMIC_DISPATCH(norm_sums)(x, rows, channels, sums);
}
void norm_apply(const NormApply& a, std::int64_t rows, std::int64_t channels) {
  HWY_DYNAMIC_DISPATCH(norm_apply)(a, rows, channels);
}
void norm_grad_sums(const NormGradSums& a, std::int64_t rows, std::int64_t channels, double* sums) {
  HWY_DYNAMIC_DISPATCH(norm_grad_sums)(a, rows, channels, sums);
}
void norm_grad_apply(const NormGradApply& a, std::int64_t rows, std::int64_t channels) {
  HWY_DYNAMIC_DISPATCH(norm_grad_apply)(a, rows, channels);
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
