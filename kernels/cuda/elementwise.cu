// Elementwise kernels: every thread takes 16 bytes of each operand at once where addresses allow
// it, which whole tensors always do; the last, partial vector and tensors that start off 16 bytes
// go element by element. elementwise_cast.cu has the casts.
#include "kernels/elementwise.h"

#include <cmath>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/divide.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

// y[i] = f(x[i]) for i in [0, count).
template <typename T, typename F>
__global__ void __launch_bounds__(kThreads)
    unary_kernel(const T* x, T* y, std::int64_t count, bool aligned, F f) {
  constexpr int N = kVectorSize<T>;
  const std::int64_t first = global_thread() * N;
  if (aligned && first + N <= count) {
    auto values = load_vector<N>(x + first);
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = from_float<T>(f(to_float(values[i])));
    store_vector(y + first, values);
    return;
  }
  const std::int64_t end = first + N < count ? first + N : count;
  for (std::int64_t i = first; i < end; ++i) y[i] = from_float<T>(f(to_float(x[i])));
}

// y[i] = f(a[i], b[i]).
template <typename T, typename F>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(const T* a, const T* b, T* y, std::int64_t count, bool aligned, F f) {
  constexpr int N = kVectorSize<T>;
  const std::int64_t first = global_thread() * N;
  if (aligned && first + N <= count) {
    auto va = load_vector<N>(a + first);
    const auto vb = load_vector<N>(b + first);
#pragma unroll
    for (int i = 0; i < N; ++i) va[i] = from_float<T>(f(to_float(va[i]), to_float(vb[i])));
    store_vector(y + first, va);
    return;
  }
  const std::int64_t end = first + N < count ? first + N : count;
  for (std::int64_t i = first; i < end; ++i) {
    y[i] = from_float<T>(f(to_float(a[i]), to_float(b[i])));
  }
}

// y[m,c] = f(a[m,c], b[c]). One division finds the first channel, the others are counted on; b
// comes from the cache.
template <typename T, typename F>
__global__ void __launch_bounds__(kThreads)
    channels_kernel(const T* a, const Compute<T>* b, T* y, std::int64_t count,
                    std::int64_t channels, bool aligned, F f) {
  constexpr int N = kVectorSize<T>;
  const std::int64_t first = global_thread() * N;
  if (first >= count) return;
  std::int64_t channel = first - divide(first, channels) * channels;
  if (aligned && first + N <= count) {
    auto values = load_vector<N>(a + first);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      values[i] = from_float<T>(f(to_float(values[i]), b[channel]));
      if (++channel == channels) channel = 0;
    }
    store_vector(y + first, values);
    return;
  }
  for (std::int64_t i = first; i < first + N && i < count; ++i) {
    y[i] = from_float<T>(f(to_float(a[i]), b[channel]));
    if (++channel == channels) channel = 0;
  }
}

template <typename T>
LaunchShape shape_for(std::int64_t count) {
  return {.grid = {blocks_for(blocks_for(count, kVectorSize<T>), kThreads)}, .block = {kThreads}};
}

template <typename F>
void map(const Exec& exec, const char* name, ConstView x, View y, const F& f) {
  visit_any_floating(y.dtype, [&]<typename T>() {
    launch(exec, name, shape_for<T>(y.numel()), unary_kernel<T, F>, x.data<T>(), y.data<T>(),
           y.numel(), is_aligned(x.pointer) && is_aligned(y.pointer), f);
  });
}

template <typename F>
void map2(const Exec& exec, const char* name, ConstView a, ConstView b, View y, const F& f) {
  visit_any_floating(y.dtype, [&]<typename T>() {
    const bool aligned = is_aligned(a.pointer) && is_aligned(b.pointer) && is_aligned(y.pointer);
    launch(exec, name, shape_for<T>(y.numel()), binary_kernel<T, F>, a.data<T>(), b.data<T>(),
           y.data<T>(), y.numel(), aligned, f);
  });
}

template <typename F>
void map_channels(const Exec& exec, const char* name, ConstView a, ConstView b, View y,
                  const F& f) {
  visit_any_floating(y.dtype, [&]<typename T>() {
    launch(exec, name, shape_for<T>(y.numel()), channels_kernel<T, F>, a.data<T>(),
           b.data<Compute<T>>(), y.data<T>(), y.numel(), b.numel(),
           is_aligned(a.pointer) && is_aligned(y.pointer), f);
  });
}

// ---- the formulas, on float or double: named types, because a kernel's template argument must be
// one that the host can name ----

#define AKIMBO_FUNCTION(Name, Parameters, Value) \
  struct Name {                                  \
    template <typename T>                        \
    __device__ T operator() Parameters const {   \
      return Value;                              \
    }                                            \
  };

AKIMBO_FUNCTION(Add, (T a, T b), a + b)
AKIMBO_FUNCTION(Subtract, (T a, T b), a - b)
AKIMBO_FUNCTION(Multiply, (T a, T b), a* b)
AKIMBO_FUNCTION(Divide, (T a, T b), a / b)
// NaN stays NaN.
AKIMBO_FUNCTION(Relu, (T x), x < T(0) ? T(0) : x)
AKIMBO_FUNCTION(ReluGrad, (T y, T g), y > T(0) ? g : T(0))
AKIMBO_FUNCTION(SigmoidGrad, (T y, T g), g* y*(T(1) - y))
AKIMBO_FUNCTION(Tanh, (T x), std::tanh(x))
AKIMBO_FUNCTION(TanhGrad, (T y, T g), g*(T(1) - y * y))
AKIMBO_FUNCTION(Exp, (T x), std::exp(x))
AKIMBO_FUNCTION(Log, (T x), std::log(x))
AKIMBO_FUNCTION(LogGrad, (T x, T g), g / x)
AKIMBO_FUNCTION(Sqrt, (T x), std::sqrt(x))
AKIMBO_FUNCTION(SqrtGrad, (T y, T g), g / (T(2) * y))
AKIMBO_FUNCTION(Abs, (T x), std::abs(x))
AKIMBO_FUNCTION(AbsGrad, (T x, T g), x > T(0) ? g : x < T(0) ? -g : x * g)
AKIMBO_FUNCTION(Square, (T x), x* x)
AKIMBO_FUNCTION(SquareGrad, (T x, T g), T(2) * x * g)

#undef AKIMBO_FUNCTION

// Written so that exp never overflows: for negative x, exp(x) / (1 + exp(x)).
struct Sigmoid {
  template <typename T>
  __device__ T operator()(T x) const {
    const T e = std::exp(-std::abs(x));
    return (x < T(0) ? e : T(1)) / (T(1) + e);
  }
};

struct Affine {
  double scale, shift;
  template <typename T>
  __device__ T operator()(T x) const {
    return x * static_cast<T>(scale) + static_cast<T>(shift);
  }
};

struct LeakyRelu {
  double slope;
  template <typename T>
  __device__ T operator()(T x) const {
    return x > T(0) ? x : x * static_cast<T>(slope);
  }
};
struct LeakyReluGrad {
  double slope;
  template <typename T>
  __device__ T operator()(T x, T g) const {
    return x > T(0) ? g : g * static_cast<T>(slope);
  }
};

struct Clamp {
  double low, high;
  template <typename T>
  __device__ T operator()(T x) const {
    const T least = static_cast<T>(low), most = static_cast<T>(high);
    return x < least ? least : x > most ? most : x;
  }
};
struct ClampGrad {
  double low, high;
  template <typename T>
  __device__ T operator()(T x, T g) const {
    return x < static_cast<T>(low) || x > static_cast<T>(high) ? T(0) : g;
  }
};

}  // namespace

void add_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map2(exec, "add_forward", a, b, y, Add{});
}
void sub_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map2(exec, "sub_forward", a, b, y, Subtract{});
}
void mul_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map2(exec, "mul_forward", a, b, y, Multiply{});
}
void div_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map2(exec, "div_forward", a, b, y, Divide{});
}

void add_channels_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map_channels(exec, "add_channels_forward", a, b, y, Add{});
}
void mul_channels_forward(const Exec& exec, ConstView a, ConstView b, View y) {
  map_channels(exec, "mul_channels_forward", a, b, y, Multiply{});
}

void affine_forward(const Exec& exec, ConstView x, const AffineParams& params, View y) {
  map(exec, "affine_forward", x, y, Affine{params.scale, params.shift});
}

void relu_forward(const Exec& exec, ConstView x, View y) {
  map(exec, "relu_forward", x, y, Relu{});
}
void relu_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "relu_input_grad", y, grad_y, grad_x, ReluGrad{});
}

void leaky_relu_forward(const Exec& exec, ConstView x, double slope, View y) {
  map(exec, "leaky_relu_forward", x, y, LeakyRelu{slope});
}
void leaky_relu_input_grad(const Exec& exec, ConstView x, ConstView grad_y, double slope,
                           View grad_x) {
  map2(exec, "leaky_relu_input_grad", x, grad_y, grad_x, LeakyReluGrad{slope});
}

void clamp_forward(const Exec& exec, ConstView x, const ClampParams& params, View y) {
  map(exec, "clamp_forward", x, y, Clamp{params.low, params.high});
}
void clamp_input_grad(const Exec& exec, ConstView x, ConstView grad_y, const ClampParams& params,
                      View grad_x) {
  map2(exec, "clamp_input_grad", x, grad_y, grad_x, ClampGrad{params.low, params.high});
}

void sigmoid_forward(const Exec& exec, ConstView x, View y) {
  map(exec, "sigmoid_forward", x, y, Sigmoid{});
}
void sigmoid_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "sigmoid_input_grad", y, grad_y, grad_x, SigmoidGrad{});
}

void tanh_forward(const Exec& exec, ConstView x, View y) {
  map(exec, "tanh_forward", x, y, Tanh{});
}
void tanh_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "tanh_input_grad", y, grad_y, grad_x, TanhGrad{});
}

void exp_forward(const Exec& exec, ConstView x, View y) { map(exec, "exp_forward", x, y, Exp{}); }
void exp_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "exp_input_grad", y, grad_y, grad_x, Multiply{});
}

void log_forward(const Exec& exec, ConstView x, View y) { map(exec, "log_forward", x, y, Log{}); }
void log_input_grad(const Exec& exec, ConstView x, ConstView grad_y, View grad_x) {
  map2(exec, "log_input_grad", x, grad_y, grad_x, LogGrad{});
}

void sqrt_forward(const Exec& exec, ConstView x, View y) {
  map(exec, "sqrt_forward", x, y, Sqrt{});
}
void sqrt_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "sqrt_input_grad", y, grad_y, grad_x, SqrtGrad{});
}

void abs_forward(const Exec& exec, ConstView x, View y) { map(exec, "abs_forward", x, y, Abs{}); }
void abs_input_grad(const Exec& exec, ConstView x, ConstView grad_y, View grad_x) {
  map2(exec, "abs_input_grad", x, grad_y, grad_x, AbsGrad{});
}

void square_forward(const Exec& exec, ConstView x, View y) {
  map(exec, "square_forward", x, y, Square{});
}
void square_input_grad(const Exec& exec, ConstView x, ConstView grad_y, View grad_x) {
  map2(exec, "square_input_grad", x, grad_y, grad_x, SquareGrad{});
}

}  // namespace akimbo::kernels::cuda
