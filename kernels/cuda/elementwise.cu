// Elementwise kernels: every thread takes 16 bytes at a time where addresses allow it.
#include "kernels/elementwise.h"

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

// y[i] = f(a[i], b[i]) for i in [0, count), N at a time; the last count % N one by one.
template <typename T, int N, typename F>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(const T* a, const T* b, T* y, std::int64_t count, F f) {
  const std::int64_t first = global_thread() * N;
  if (first + N <= count) {
    const Vector<T, N> va = load_vector<N>(a + first);
    const Vector<T, N> vb = load_vector<N>(b + first);
    Vector<T, N> vy;
#pragma unroll
    for (int i = 0; i < N; ++i) vy[i] = from_float<T>(f(to_float(va[i]), to_float(vb[i])));
    store_vector(y + first, vy);
  } else {
    for (std::int64_t i = first; i < count; ++i) {
      y[i] = from_float<T>(f(to_float(a[i]), to_float(b[i])));
    }
  }
}

// Vectors of 16 bytes when all three start at a multiple of 16, as whole tensors do; else single
// elements.
template <typename F>
void map2(const Exec& exec, const char* name, ConstView a, ConstView b, View y, F f) {
  visit_any_floating(y.dtype, [&]<typename T>() {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    T* py = y.data<T>();
    const auto run = [&]<int N>() {
      const std::int64_t blocks = blocks_for(blocks_for(y.numel(), N), kThreads);
      launch(exec, name, {.grid = {blocks}, .block = {kThreads}}, binary_kernel<T, N, F>, pa, pb,
             py, y.numel(), f);
    };
    if (is_aligned(pa) && is_aligned(pb) && is_aligned(py)) {
      run.template operator()<kVectorSize<T>>();
    } else {
      run.template operator()<1>();
    }
  });
}

struct Add {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};
struct Divide {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a / b;
  }
};
struct ReluGrad {
  template <typename T>
  __device__ T operator()(T y, T grad_y) const {
    return y > T(0) ? grad_y : T(0);
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
void relu_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  map2(exec, "relu_input_grad", y, grad_y, grad_x, ReluGrad{});
}

}  // namespace akimbo::kernels::cuda
