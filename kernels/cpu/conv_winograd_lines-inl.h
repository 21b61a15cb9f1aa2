// Winograd's transforms along one axis, on vectors of channels, for each instruction set. The
// matrices are those of Toom and Cook for these points and infinity:
//   F(2,2)  0, -1
//   F(2,3)  0, +-1
//   F(4,2)  +-1/2, +-3/2
//   F(4,3)  0, +-a, +-b with a = sqrt(1/2), b = sqrt(2): since a b = 1 many coefficients are small
//           powers of two, and rounding errors are about a third of those of 0, +-1, +-2
// F(4,2) has 0.6 of F(4,3)'s rounding error; with 0, +-1, 2 it would have 1.3 of it.
#if defined(AKIMBO_CONV_WINOGRAD_LINES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef AKIMBO_CONV_WINOGRAD_LINES_INL_H
#undef AKIMBO_CONV_WINOGRAD_LINES_INL_H
#else
#define AKIMBO_CONV_WINOGRAD_LINES_INL_H
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr double kWinogradA = 0.70710678118654752440, kWinogradB = 1.41421356237309504880;
constexpr double kShortA = 0.5, kShortB = 1.5;  // of F(4,2)

template <int M, int R, typename V>
HWY_INLINE HWY_ATTR void input_line(const V* d, V* t) {
  if constexpr (M == 4 && R == 3) {
    using D = hn::DFromV<V>;
    using T = hn::TFromD<D>;
    const D tag;
    const V a = hn::Set(tag, T(kWinogradA)), b = hn::Set(tag, T(kWinogradB));
    const V two = hn::Set(tag, T(2)), half = hn::Set(tag, T(0.5)), c = hn::Set(tag, T(2.5));
    t[0] = hn::NegMulAdd(c, d[2], hn::Add(d[0], d[4]));
    const V even_a = hn::NegMulAdd(two, d[2], d[4]), odd_a = hn::NegMulAdd(two, d[1], d[3]);
    t[1] = hn::MulAdd(a, odd_a, even_a);
    t[2] = hn::NegMulAdd(a, odd_a, even_a);
    const V even_b = hn::NegMulAdd(half, d[2], d[4]), odd_b = hn::NegMulAdd(half, d[1], d[3]);
    t[3] = hn::MulAdd(b, odd_b, even_b);
    t[4] = hn::NegMulAdd(b, odd_b, even_b);
    t[5] = hn::NegMulAdd(c, d[3], hn::Add(d[1], d[5]));
  } else if constexpr (M == 4) {
    using D = hn::DFromV<V>;
    using T = hn::TFromD<D>;
    const D tag;
    const V a = hn::Set(tag, T(kShortA)), b = hn::Set(tag, T(kShortB));
    const V aa = hn::Set(tag, T(kShortA * kShortA)), bb = hn::Set(tag, T(kShortB * kShortB));
    const V even_a = hn::NegMulAdd(bb, d[0], d[2]), odd_a = hn::NegMulAdd(bb, d[1], d[3]);
    t[0] = hn::MulAdd(a, even_a, odd_a);
    t[1] = hn::MulSub(a, even_a, odd_a);
    const V even_b = hn::NegMulAdd(aa, d[0], d[2]), odd_b = hn::NegMulAdd(aa, d[1], d[3]);
    t[2] = hn::MulAdd(b, even_b, odd_b);
    t[3] = hn::MulSub(b, even_b, odd_b);
    t[4] = hn::NegMulAdd(bb, even_b, hn::NegMulAdd(aa, d[2], d[4]));
  } else if constexpr (R == 3) {
    t[0] = hn::Sub(d[0], d[2]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[1], d[3]);
  } else {
    t[0] = hn::Sub(d[0], d[1]);
    t[1] = d[1];
    t[2] = hn::Sub(d[2], d[1]);
  }
}

template <int M, int R, typename V>
HWY_INLINE HWY_ATTR void output_line(const V* m, V* y) {
  if constexpr (M == 4 && R == 3) {
    using D = hn::DFromV<V>;
    using T = hn::TFromD<D>;
    const D tag;
    const V a = hn::Set(tag, T(kWinogradA)), b = hn::Set(tag, T(kWinogradB));
    const V two = hn::Set(tag, T(2)), half = hn::Set(tag, T(0.5));
    const V sum_a = hn::Add(m[1], m[2]), sum_b = hn::Add(m[3], m[4]);
    const V odd_a = hn::Mul(a, hn::Sub(m[1], m[2])), odd_b = hn::Mul(b, hn::Sub(m[3], m[4]));
    y[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
    y[1] = hn::Add(odd_a, odd_b);
    y[2] = hn::MulAdd(half, sum_a, hn::Mul(two, sum_b));
    y[3] = hn::MulAdd(half, odd_a, hn::MulAdd(two, odd_b, m[5]));
  } else if constexpr (M == 4) {
    using D = hn::DFromV<V>;
    using T = hn::TFromD<D>;
    const D tag;
    const V a = hn::Set(tag, T(kShortA)), b = hn::Set(tag, T(kShortB));
    const V aa = hn::Set(tag, T(kShortA * kShortA)), bb = hn::Set(tag, T(kShortB * kShortB));
    const V sum_a = hn::Add(m[0], m[1]), odd_a = hn::Mul(a, hn::Sub(m[0], m[1]));
    const V sum_b = hn::Add(m[2], m[3]), odd_b = hn::Mul(b, hn::Sub(m[2], m[3]));
    y[0] = hn::Add(sum_a, sum_b);
    y[1] = hn::Add(odd_a, odd_b);
    y[2] = hn::MulAdd(aa, sum_a, hn::Mul(bb, sum_b));
    y[3] = hn::MulAdd(aa, odd_a, hn::MulAdd(bb, odd_b, m[4]));
  } else if constexpr (R == 3) {
    y[0] = hn::Add(m[0], hn::Add(m[1], m[2]));
    y[1] = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
  } else {
    y[0] = hn::Add(m[0], m[1]);
    y[1] = hn::Add(m[1], m[2]);
  }
}

template <int M, int R, typename V>
HWY_INLINE HWY_ATTR void weight_line(const V* g, V* t) {
  using D = hn::DFromV<V>;
  using T = hn::TFromD<D>;
  const D tag;
  const V half = hn::Set(tag, T(0.5));
  if constexpr (M == 4 && R == 3) {
    const V two = hn::Set(tag, T(2)), over_a = hn::Set(tag, T(-2.0 / 3)),
            over_b = hn::Set(tag, T(1.0 / 6));
    const V even_a = hn::MulAdd(half, g[2], g[0]), even_b = hn::MulAdd(two, g[2], g[0]);
    const V odd_a = hn::Mul(hn::Set(tag, T(kWinogradA)), g[1]);
    const V odd_b = hn::Mul(hn::Set(tag, T(kWinogradB)), g[1]);
    t[0] = g[0];
    t[1] = hn::Mul(over_a, hn::Add(even_a, odd_a));
    t[2] = hn::Mul(over_a, hn::Sub(even_a, odd_a));
    t[3] = hn::Mul(over_b, hn::Add(even_b, odd_b));
    t[4] = hn::Mul(over_b, hn::Sub(even_b, odd_b));
    t[5] = g[2];
  } else if constexpr (M == 4) {
    constexpr double kSpan = 2 * (kShortA * kShortA - kShortB * kShortB);
    const V over_a = hn::Set(tag, T(1 / (kSpan * kShortA)));
    const V over_b = hn::Set(tag, T(-1 / (kSpan * kShortB)));
    const V odd = hn::Mul(hn::Set(tag, T(1 / kSpan)), g[1]);
    t[0] = hn::MulAdd(over_a, g[0], odd);
    t[1] = hn::MulSub(over_a, g[0], odd);
    t[2] = hn::MulSub(over_b, g[0], odd);
    t[3] = hn::MulAdd(over_b, g[0], odd);
    t[4] = g[1];
  } else if constexpr (R == 3) {
    const V outer = hn::Add(g[0], g[2]);
    t[0] = g[0];
    t[1] = hn::Mul(half, hn::Add(outer, g[1]));
    t[2] = hn::Mul(half, hn::Sub(outer, g[1]));
    t[3] = g[2];
  } else {
    t[0] = g[0];
    t[1] = hn::Add(g[0], g[1]);
    t[2] = g[1];
  }
}

// F(3,4) with the points of F(4,3). What weight_line divides by is left to taps_line.
template <typename V>
HWY_INLINE HWY_ATTR void gradient_line(const V* g, V* t) {
  using D = hn::DFromV<V>;
  using T = hn::TFromD<D>;
  const D tag;
  const V half = hn::Set(tag, T(0.5)), two = hn::Set(tag, T(2));
  const V even_a = hn::MulAdd(half, g[2], g[0]), even_b = hn::MulAdd(two, g[2], g[0]);
  const V odd_a = hn::Mul(hn::Set(tag, T(kWinogradA)), hn::MulAdd(half, g[3], g[1]));
  const V odd_b = hn::Mul(hn::Set(tag, T(kWinogradB)), hn::MulAdd(two, g[3], g[1]));
  t[0] = g[0];
  t[1] = hn::Add(even_a, odd_a);
  t[2] = hn::Sub(even_a, odd_a);
  t[3] = hn::Add(even_b, odd_b);
  t[4] = hn::Sub(even_b, odd_b);
  t[5] = g[3];
}

template <typename V>
HWY_INLINE HWY_ATTR void taps_line(const V* m, V* y) {
  using D = hn::DFromV<V>;
  using T = hn::TFromD<D>;
  const D tag;
  const V over_a = hn::Set(tag, T(-2.0 / 3)), over_b = hn::Set(tag, T(1.0 / 6));
  const V sum_a = hn::Mul(over_a, hn::Add(m[1], m[2]));
  const V sum_b = hn::Mul(over_b, hn::Add(m[3], m[4]));
  const V odd_a = hn::Mul(hn::Set(tag, T(-2.0 / 3 * kWinogradA)), hn::Sub(m[1], m[2]));
  const V odd_b = hn::Mul(hn::Set(tag, T(1.0 / 6 * kWinogradB)), hn::Sub(m[3], m[4]));
  y[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
  y[1] = hn::Add(odd_a, odd_b);
  y[2] = hn::MulAdd(hn::Set(tag, T(0.5)), sum_a, hn::MulAdd(hn::Set(tag, T(2)), sum_b, m[5]));
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // include guard, for each target
