// Two-dimensional transforms: those of conv_winograd_lines-inl.h down the columns, then along the
// rows.
#include "kernels/cpu/conv_winograd_simd.h"

// The same instruction sets as gemm.cpp.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv_winograd_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/conv_winograd_lines-inl.h"

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <int M, int R, typename T>
HWY_ATTR void input_tile(const T* const* pixels, std::int64_t channels, T* v, std::int64_t stride) {
  constexpr int P = M + R - 1;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Vector t[P][P];  // columns transformed: t[column][point]
#pragma GCC unroll 6
    for (int j = 0; j < P; ++j) {
      Vector column[P];
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) column[i] = hn::LoadU(d, pixels[i * P + j] + c);
      input_line<M, R>(column, t[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < P; ++i) {
      Vector row[P], out[P];
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      input_line<M, R>(row, out);
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) hn::StoreU(out[j], d, v + (i * P + j) * stride + c);
    }
  }
}

// kWhole: all outputs exist.
template <int M, int R, bool kWhole, bool kResidual, typename T>
HWY_ATTR void output_tile(const T* m, std::int64_t stride, std::int64_t columns,
                          const WinogradOutput<T>& out) {
  constexpr int P = M + R - 1;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Vector zero = hn::Zero(d);
  for (std::int64_t n = 0; n < columns; n += lanes) {
    Vector t[P][M];  // columns transformed: t[column][output]
#pragma GCC unroll 6
    for (int j = 0; j < P; ++j) {
      Vector column[P];
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) column[i] = hn::LoadU(d, m + (i * P + j) * stride + n);
      output_line<M, R>(column, t[j]);
    }
    const Vector scale = out.scale != nullptr ? hn::LoadU(d, out.scale + n) : hn::Set(d, T(1));
    const Vector shift = out.shift != nullptr ? hn::LoadU(d, out.shift + n) : zero;
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      Vector row[P], y[M];
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      output_line<M, R>(row, y);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) {
        if (!kWhole && (i >= out.rows || j >= out.cols)) continue;
        const std::int64_t offset = i * out.row_step + j * out.col_step + n;
        Vector sum = hn::MulAdd(y[j], scale, shift);
        if constexpr (kResidual) sum = hn::Add(sum, hn::LoadU(d, out.residual + offset));
        if (out.relu) sum = hn::IfThenElse(hn::Lt(sum, zero), zero, sum);
        hn::StoreU(sum, d, out.y + offset);
      }
    }
  }
}

template <int M, int R, typename T>
HWY_ATTR void weight_tile(const T* const* taps, std::int64_t channels, T* u, std::int64_t stride) {
  constexpr int P = M + R - 1;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Vector t[R][P];  // columns transformed: t[column][point]
    for (int j = 0; j < R; ++j) {
      Vector column[R];
      for (int i = 0; i < R; ++i) column[i] = hn::LoadU(d, taps[i * R + j] + c);
      weight_line<M, R>(column, t[j]);
    }
    for (int i = 0; i < P; ++i) {
      Vector row[R], out[P];
      for (int j = 0; j < R; ++j) row[j] = t[j][i];
      weight_line<M, R>(row, out);
      for (int j = 0; j < P; ++j) hn::StoreU(out[j], d, u + (i * P + j) * stride + c);
    }
  }
}

template <typename T>
HWY_ATTR void gradient_tile(const T* const* pixels, std::int64_t channels, T* u,
                            std::int64_t stride) {
  constexpr int R = 4, P = 6;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Vector t[R][P];
#pragma GCC unroll 4
    for (int j = 0; j < R; ++j) {
      Vector column[R];
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) column[i] = hn::LoadU(d, pixels[i * R + j] + c);
      gradient_line(column, t[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < P; ++i) {
      Vector row[R], out[P];
#pragma GCC unroll 4
      for (int j = 0; j < R; ++j) row[j] = t[j][i];
      gradient_line(row, out);
#pragma GCC unroll 6
      for (int j = 0; j < P; ++j) hn::StoreU(out[j], d, u + (i * P + j) * stride + c);
    }
  }
}

template <typename T>
HWY_ATTR void taps_tile(const T* m, std::int64_t stride, std::int64_t columns, T* taps,
                        std::int64_t tap_stride) {
  constexpr int M = 3, P = 6;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t n = 0; n < columns; n += lanes) {
    Vector t[P][M];
    for (int j = 0; j < P; ++j) {
      Vector column[P];
      for (int i = 0; i < P; ++i) column[i] = hn::LoadU(d, m + (i * P + j) * stride + n);
      taps_line(column, t[j]);
    }
    for (int i = 0; i < M; ++i) {
      Vector row[P], y[M];
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      taps_line(row, y);
      for (int j = 0; j < M; ++j) hn::StoreU(y[j], d, taps + (i * M + j) * tap_stride + n);
    }
  }
}

template <typename T>
HWY_ATTR void input_form(const WinogradForm& form, const T* const* pixels, std::int64_t channels,
                         T* v, std::int64_t stride) {
  if (form.outputs == 4) {
    return form.taps == 3 ? input_tile<4, 3>(pixels, channels, v, stride)
                          : input_tile<4, 2>(pixels, channels, v, stride);
  }
  form.taps == 3 ? input_tile<2, 3>(pixels, channels, v, stride)
                 : input_tile<2, 2>(pixels, channels, v, stride);
}
template <int M, int R, typename T>
HWY_ATTR void output_block(const T* m, std::int64_t stride, std::int64_t columns,
                           const WinogradOutput<T>& out) {
  const bool residual = out.residual != nullptr;
  if (out.rows < M || out.cols < M) {
    residual ? output_tile<M, R, false, true>(m, stride, columns, out)
             : output_tile<M, R, false, false>(m, stride, columns, out);
  } else {
    residual ? output_tile<M, R, true, true>(m, stride, columns, out)
             : output_tile<M, R, true, false>(m, stride, columns, out);
  }
}
template <typename T>
HWY_ATTR void output_form(const WinogradForm& form, const T* m, std::int64_t stride,
                          std::int64_t columns, const WinogradOutput<T>& out) {
  if (form.outputs == 4) {
    return form.taps == 3 ? output_block<4, 3>(m, stride, columns, out)
                          : output_block<4, 2>(m, stride, columns, out);
  }
  form.taps == 3 ? output_block<2, 3>(m, stride, columns, out)
                 : output_block<2, 2>(m, stride, columns, out);
}

template <typename T>
HWY_ATTR void weight_form(const WinogradForm& form, const T* const* taps, std::int64_t channels,
                          T* u, std::int64_t stride) {
  if (form.outputs == 4) {
    return form.taps == 3 ? weight_tile<4, 3>(taps, channels, u, stride)
                          : weight_tile<4, 2>(taps, channels, u, stride);
  }
  form.taps == 3 ? weight_tile<2, 3>(taps, channels, u, stride)
                 : weight_tile<2, 2>(taps, channels, u, stride);
}

// Dispatch wants functions, not templates.
void input_f32(const WinogradForm& form, const float* const* pixels, std::int64_t channels,
               float* v, std::int64_t stride) {
  input_form(form, pixels, channels, v, stride);
}
void input_f64(const WinogradForm& form, const double* const* pixels, std::int64_t channels,
               double* v, std::int64_t stride) {
  input_form(form, pixels, channels, v, stride);
}
void output_f32(const WinogradForm& form, const float* m, std::int64_t stride, std::int64_t columns,
                const WinogradOutput<float>& out) {
  output_form(form, m, stride, columns, out);
}
void output_f64(const WinogradForm& form, const double* m, std::int64_t stride,
                std::int64_t columns, const WinogradOutput<double>& out) {
  output_form(form, m, stride, columns, out);
}

void weight_f32(const WinogradForm& form, const float* const* taps, std::int64_t channels, float* u,
                std::int64_t stride) {
  weight_form(form, taps, channels, u, stride);
}
void gradient_f32(const float* const* pixels, std::int64_t channels, float* u,
                  std::int64_t stride) {
  gradient_tile(pixels, channels, u, stride);
}
void taps_f32(const float* m, std::int64_t stride, std::int64_t columns, float* taps,
              std::int64_t tap_stride) {
  taps_tile(m, stride, columns, taps, tap_stride);
}
void weight_f64(const WinogradForm& form, const double* const* taps, std::int64_t channels,
                double* u, std::int64_t stride) {
  weight_form(form, taps, channels, u, stride);
}
void gradient_f64(const double* const* pixels, std::int64_t channels, double* u,
                  std::int64_t stride) {
  gradient_tile(pixels, channels, u, stride);
}
void taps_f64(const double* m, std::int64_t stride, std::int64_t columns, double* taps,
              std::int64_t tap_stride) {
  taps_tile(m, stride, columns, taps, tap_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(input_f32);
HWY_EXPORT(input_f64);
HWY_EXPORT(output_f32);
HWY_EXPORT(output_f64);
HWY_EXPORT(weight_f32);
HWY_EXPORT(weight_f64);
HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_f64);
HWY_EXPORT(taps_f32);
HWY_EXPORT(taps_f64);

template <>
void winograd_input(const WinogradForm& form, const float* const* pixels, std::int64_t channels,
                    float* v, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(input_f32)(form, pixels, channels, v, stride);
}
template <>
void winograd_input(const WinogradForm& form, const double* const* pixels, std::int64_t channels,
                    double* v, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(input_f64)(form, pixels, channels, v, stride);
}
template <>
void winograd_output(const WinogradForm& form, const float* m, std::int64_t stride,
                     std::int64_t columns, const WinogradOutput<float>& out) {
  HWY_DYNAMIC_DISPATCH(output_f32)(form, m, stride, columns, out);
}
template <>
void winograd_output(const WinogradForm& form, const double* m, std::int64_t stride,
                     std::int64_t columns, const WinogradOutput<double>& out) {
  HWY_DYNAMIC_DISPATCH(output_f64)(form, m, stride, columns, out);
}

template <>
void winograd_weight(const WinogradForm& form, const float* const* taps, std::int64_t channels,
                     float* u, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(weight_f32)(form, taps, channels, u, stride);
}
template <>
void winograd_gradient(const float* const* pixels, std::int64_t channels, float* u,
                       std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(gradient_f32)(pixels, channels, u, stride);
}
template <>
void winograd_taps(const float* m, std::int64_t stride, std::int64_t columns, float* taps,
                   std::int64_t tap_stride) {
  HWY_DYNAMIC_DISPATCH(taps_f32)(m, stride, columns, taps, tap_stride);
}
template <>
void winograd_weight(const WinogradForm& form, const double* const* taps, std::int64_t channels,
                     double* u, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(weight_f64)(form, taps, channels, u, stride);
}
template <>
void winograd_gradient(const double* const* pixels, std::int64_t channels, double* u,
                       std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(gradient_f64)(pixels, channels, u, stride);
}
template <>
void winograd_taps(const double* m, std::int64_t stride, std::int64_t columns, double* taps,
                   std::int64_t tap_stride) {
  HWY_DYNAMIC_DISPATCH(taps_f64)(m, stride, columns, taps, tap_stride);
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
