// Elementwise kernels on the CPU: plain loops that the compiler vectorises, cut into chunks; the
// hottest three of f32 through elementwise_simd.h.
#include "kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/convert.h"
#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/elementwise_simd.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements; below this a thread costs more than it saves

template <typename F>
void for_each_index(std::int64_t count, const F& f) {
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

// f(first, count) for chunks of [0, count).
template <typename F>
void in_chunks(std::int64_t count, const F& f) {
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
}

// y[i] = f(x[i]), f being generic over float and double.
template <typename F>
void map(ConstView x, View y, const F& f) {
  visit_floating(y.dtype, [&]<typename T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    for_each_index(y.numel(), [=](std::int64_t i) { py[i] = f(px[i]); });
  });
}

// y[i] = f(a[i], b[i]).
template <typename F>
void map2(ConstView a, ConstView b, View y, const F& f) {
  visit_floating(y.dtype, [&]<typename T>() {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    T* py = y.data<T>();
    for_each_index(y.numel(), [=](std::int64_t i) { py[i] = f(pa[i], pb[i]); });
  });
}

// y[m,c] = f(a[m,c], b[c]).
template <typename F>
void map_channels(ConstView a, ConstView b, View y, const F& f) {
  if (y.numel() == 0) return;
  const std::int64_t channels = b.numel();
  visit_floating(y.dtype, [&]<typename T>() {
    const T* pb = b.data<T>();
    parallel_for(y.numel() / channels, std::max<std::int64_t>(1, kGrain / channels),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t m = begin; m < end; ++m) {
                     const T* pa = a.data<T>() + m * channels;
                     T* py = y.data<T>() + m * channels;
                     for (std::int64_t c = 0; c < channels; ++c) py[c] = f(pa[c], pb[c]);
                   }
                 });
  });
}

}  // namespace

void cast_forward(const Exec&, ConstView x, View y) {
  visit_dtype(x.dtype, [&]<typename From>() {
    visit_dtype(y.dtype, [&]<typename To>() {
      const From* px = x.data<From>();
      To* py = y.data<To>();
      for_each_index(y.numel(), [=](std::int64_t i) { py[i] = convert_element<To>(px[i]); });
    });
  });
}

void add_forward(const Exec&, ConstView a, ConstView b, View y) {
  if (y.dtype == DType::f32)
    return in_chunks(y.numel(), [&](std::int64_t i, std::int64_t count) {
      add_f32(a.data<float>() + i, b.data<float>() + i, y.data<float>() + i, count);
    });
  map2(a, b, y, [](auto u, auto v) { return u + v; });
}
void sub_forward(const Exec&, ConstView a, ConstView b, View y) {
  map2(a, b, y, [](auto u, auto v) { return u - v; });
}
void mul_forward(const Exec&, ConstView a, ConstView b, View y) {
  map2(a, b, y, [](auto u, auto v) { return u * v; });
}
void div_forward(const Exec&, ConstView a, ConstView b, View y) {
  map2(a, b, y, [](auto u, auto v) { return u / v; });
}

void add_channels_forward(const Exec&, ConstView a, ConstView b, View y) {
  map_channels(a, b, y, [](auto u, auto v) { return u + v; });
}
void mul_channels_forward(const Exec&, ConstView a, ConstView b, View y) {
  map_channels(a, b, y, [](auto u, auto v) { return u * v; });
}

void affine_forward(const Exec&, ConstView x, const AffineParams& params, View y) {
  map(x, y, [=]<typename T>(T v) {
    return v * static_cast<T>(params.scale) + static_cast<T>(params.shift);
  });
}

void relu_forward(const Exec&, ConstView x, View y) {
  if (y.dtype == DType::f32)
    return in_chunks(y.numel(), [&](std::int64_t i, std::int64_t count) {
      relu_f32(x.data<float>() + i, y.data<float>() + i, count);
    });
  map(x, y, []<typename T>(T v) { return v < T(0) ? T(0) : v; });
}
void relu_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  if (y.dtype == DType::f32)
    return in_chunks(y.numel(), [&](std::int64_t i, std::int64_t count) {
      relu_grad_f32(y.data<float>() + i, grad_y.data<float>() + i, grad_x.data<float>() + i, count);
    });
  map2(y, grad_y, grad_x, []<typename T>(T v, T g) { return v > T(0) ? g : T(0); });
}

void leaky_relu_forward(const Exec&, ConstView x, double slope, View y) {
  map(x, y, [=]<typename T>(T v) { return v > T(0) ? v : v * static_cast<T>(slope); });
}
void leaky_relu_input_grad(const Exec&, ConstView x, ConstView grad_y, double slope, View grad_x) {
  map2(x, grad_y, grad_x,
       [=]<typename T>(T v, T g) { return v > T(0) ? g : g * static_cast<T>(slope); });
}

void clamp_forward(const Exec&, ConstView x, const ClampParams& params, View y) {
  map(x, y, [=]<typename T>(T v) {
    const T low = static_cast<T>(params.low);
    const T high = static_cast<T>(params.high);
    return v < low ? low : v > high ? high : v;
  });
}
void clamp_input_grad(const Exec&, ConstView x, ConstView grad_y, const ClampParams& params,
                      View grad_x) {
  map2(x, grad_y, grad_x, [=]<typename T>(T v, T g) {
    return v < static_cast<T>(params.low) || v > static_cast<T>(params.high) ? T(0) : g;
  });
}

// Written so that exp never overflows: for negative x, exp(x) / (1 + exp(x)).
void sigmoid_forward(const Exec&, ConstView x, View y) {
  map(x, y, []<typename T>(T v) {
    const T e = std::exp(-std::abs(v));
    return (v < T(0) ? e : T(1)) / (T(1) + e);
  });
}
void sigmoid_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  map2(y, grad_y, grad_x, []<typename T>(T v, T g) { return g * v * (T(1) - v); });
}

void tanh_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return std::tanh(v); });
}
void tanh_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  map2(y, grad_y, grad_x, []<typename T>(T v, T g) { return g * (T(1) - v * v); });
}

void exp_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return std::exp(v); });
}
void exp_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  map2(y, grad_y, grad_x, [](auto v, auto g) { return g * v; });
}

void log_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return std::log(v); });
}
void log_input_grad(const Exec&, ConstView x, ConstView grad_y, View grad_x) {
  map2(x, grad_y, grad_x, [](auto v, auto g) { return g / v; });
}

void sqrt_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return std::sqrt(v); });
}
void sqrt_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  map2(y, grad_y, grad_x, []<typename T>(T v, T g) { return g / (T(2) * v); });
}

void abs_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return std::abs(v); });
}
void abs_input_grad(const Exec&, ConstView x, ConstView grad_y, View grad_x) {
  map2(x, grad_y, grad_x, []<typename T>(T v, T g) {
    return v > T(0) ? g : v < T(0) ? -g : v * g;
  });
}

void square_forward(const Exec&, ConstView x, View y) {
  map(x, y, [](auto v) { return v * v; });
}
void square_input_grad(const Exec&, ConstView x, ConstView grad_y, View grad_x) {
  map2(x, grad_y, grad_x, []<typename T>(T v, T g) { return T(2) * v * g; });
}

}  // namespace akimbo::kernels::cpu
