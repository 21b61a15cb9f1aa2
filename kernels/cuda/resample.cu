// Resizing on CUDA. Forward: each thread makes one vector of channels of an output pixel from the
// up to four pixels it lies between. Gradient: each makes one of an input pixel from the outputs
// whose taps reach it, in their order: no atomics. Positions are computed in double, as on the CPU,
// so that both read the same pixels; 16-bit types move 8 channels with the same few operations.
#include "kernels/resample.h"

#include <cmath>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/image_rows.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// One axis: `in` pixels resized to `out`.
struct Axis {
  std::int64_t in, out;
};

// y[o] = (1 - f) x[first] + f x[first + 1]; with f = 0 there is no second.
struct Taps {
  std::int64_t first;
  double f;
};

// Position of output o among the inputs, not below 0; not for nearest.
__device__ __forceinline__ double position(const Axis& axis, std::int64_t o, bool align_corners) {
  if (align_corners) {
    if (axis.out <= 1) return 0;
    return static_cast<double>(o * (axis.in - 1)) / static_cast<double>(axis.out - 1);
  }
  const double ratio = static_cast<double>(axis.in) / static_cast<double>(axis.out);
  const double s = (static_cast<double>(o) + 0.5) * ratio - 0.5;
  return s > 0 ? s : 0;
}

template <ResizeMode kMode>
__device__ __forceinline__ Taps taps_of(const Axis& axis, std::int64_t o) {
  if constexpr (kMode == ResizeMode::nearest) return {divide(o * axis.in, axis.out), 0};
  const double s = position(axis, o, kMode == ResizeMode::bilinear_align_corners);
  const auto below = static_cast<std::int64_t>(s);
  const std::int64_t first = below < axis.in - 1 ? below : axis.in - 1;
  const double f = s - static_cast<double>(first);
  return {first, first + 1 >= axis.in || f < 0 ? 0 : f};
}

// sums += weight x for V channels.
template <typename T, int V>
__device__ __forceinline__ void add_weighted(const T* x, Compute<T> weight, Compute<T> (&sums)[V]) {
  const auto values = load_vector<V>(x);
#pragma unroll
  for (int k = 0; k < V; ++k) sums[k] += weight * to_float(values[k]);
}

template <typename T, int V, ResizeMode kMode>
__global__ void __launch_bounds__(kImageThreads)
    resize_forward_kernel(const T* x, Images in, Images out, const T* addend, bool relu, T* y) {
  using C = Compute<T>;
  for_each_vector<V>(
      out, [&](std::int64_t n, int oy, int ox, std::int64_t channel, std::int64_t offset) {
        const Taps v = taps_of<kMode>({in.height, out.height}, oy);
        const Taps h = taps_of<kMode>({in.width, out.width}, ox);
        const T* at = x + ((n * in.height + v.first) * in.width + h.first) * in.channels + channel;
        const std::int64_t down = in.width * in.channels;
        C sums[V] = {};
        if (kMode == ResizeMode::nearest || (v.f == 0 && h.f == 0)) {
          add_weighted<T, V>(at, C(1), sums);
        } else {
          add_weighted<T, V>(at, static_cast<C>((1 - v.f) * (1 - h.f)), sums);
          if (h.f != 0) add_weighted<T, V>(at + in.channels, static_cast<C>((1 - v.f) * h.f), sums);
          if (v.f != 0) add_weighted<T, V>(at + down, static_cast<C>(v.f * (1 - h.f)), sums);
          if (v.f != 0 && h.f != 0) {
            add_weighted<T, V>(at + down + in.channels, static_cast<C>(v.f * h.f), sums);
          }
        }
        if (addend != nullptr) add_weighted<T, V>(addend + offset, C(1), sums);
        Vector<T, V> result;
#pragma unroll
        for (int k = 0; k < V; ++k) {
          result[k] = from_float<T>(relu && sums[k] < C(0) ? C(0) : sums[k]);
        }
        store_vector(y + offset, result);
      });
}

// Outputs [begin, end) whose taps may reach input i.
struct Reach {
  std::int64_t begin, end;
};

template <ResizeMode kMode>
__device__ __forceinline__ Reach reach_of(const Axis& axis, std::int64_t i) {
  if constexpr (kMode == ResizeMode::nearest) {
    return {divide(i * axis.out + axis.in - 1, axis.in),
            divide((i + 1) * axis.out + axis.in - 1, axis.in)};
  }
  // Positions in (i - 1, i + 1), one output more at either end against rounding; the first and the
  // last input also take what lies outside.
  double scale, origin;  // o = scale s + origin
  if (kMode == ResizeMode::bilinear_align_corners) {
    scale = axis.in > 1 ? static_cast<double>(axis.out - 1) / static_cast<double>(axis.in - 1)
                        : static_cast<double>(axis.out);
    origin = 0;
  } else {
    scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
    origin = 0.5 * scale - 0.5;
  }
  const auto low = static_cast<std::int64_t>((static_cast<double>(i) - 1) * scale + origin) - 1;
  const auto high = static_cast<std::int64_t>((static_cast<double>(i) + 1) * scale + origin) + 2;
  return {i == 0 || low < 0 ? 0 : low, i + 1 == axis.in || high > axis.out ? axis.out : high};
}

// Weight of input i in output o: 0 where its taps do not reach.
template <ResizeMode kMode>
__device__ __forceinline__ double weight_of(const Axis& axis, std::int64_t o, std::int64_t i) {
  if constexpr (kMode == ResizeMode::nearest) return 1;
  const Taps t = taps_of<kMode>(axis, o);
  return t.first == i ? 1 - t.f : t.first + 1 == i ? t.f : 0;
}

template <typename T, int V, ResizeMode kMode>
__global__ void __launch_bounds__(kImageThreads)
    resize_input_grad_kernel(const T* grad_y, Images out, Images in, T* grad_x) {
  using C = Compute<T>;
  for_each_vector<V>(in, [&](std::int64_t n, std::int64_t iy, std::int64_t ix, std::int64_t channel,
                             std::int64_t offset) {
    const Axis rows{in.height, out.height}, columns{in.width, out.width};
    const Reach v = reach_of<kMode>(rows, iy), h = reach_of<kMode>(columns, ix);
    C sums[V] = {};
    for (std::int64_t oy = v.begin; oy < v.end; ++oy) {
      const double weight_y = weight_of<kMode>(rows, oy, iy);
      if (weight_y == 0) continue;
      const T* row = grad_y + ((n * out.height + oy) * out.width) * out.channels + channel;
      for (std::int64_t ox = h.begin; ox < h.end; ++ox) {
        const double weight = weight_y * weight_of<kMode>(columns, ox, ix);
        if (weight != 0) add_weighted<T, V>(row + ox * out.channels, static_cast<C>(weight), sums);
      }
    }
    Vector<T, V> result;
#pragma unroll
    for (int k = 0; k < V; ++k) result[k] = from_float<T>(sums[k]);
    store_vector(grad_x + offset, result);
  });
}

// f.template operator()<mode>().
template <typename F>
void visit_mode(ResizeMode mode, const F& f) {
  switch (mode) {
    case ResizeMode::nearest: return f.template operator()<ResizeMode::nearest>();
    case ResizeMode::bilinear: return f.template operator()<ResizeMode::bilinear>();
    case ResizeMode::bilinear_align_corners:
      return f.template operator()<ResizeMode::bilinear_align_corners>();
  }
}

void resize(const Exec& exec, const char* name, ConstView x, ResizeMode mode, ConstView addend,
            bool relu, View y) {
  if (y.numel() == 0) return;
  const Images in = images_of(x.shape), out = images_of(y.shape);
  visit_any_floating(x.dtype, [&]<typename Element>() {
    visit_vector<Element>(
        out.channels, {x.pointer, addend.pointer, y.pointer}, [&]<typename T, int V>() {
          visit_mode(mode, [&]<ResizeMode kMode>() {
            launch(exec, name, image_rows_shape(out, V), resize_forward_kernel<T, V, kMode>,
                   x.data<T>(), in, out, addend.data<T>(), relu, y.data<T>());
          });
        });
  });
}

}  // namespace

void resize_forward(const Exec& exec, ConstView x, ResizeMode mode, View y) {
  resize(exec, "resize_forward", x, mode, {}, false, y);
}

void resize_add_forward(const Exec& exec, ConstView x, ResizeMode mode, ConstView addend, bool relu,
                        View y) {
  resize(exec, "resize_add_forward", x, mode, addend, relu, y);
}

void resize_input_grad(const Exec& exec, ConstView grad_y, ResizeMode mode, View grad_x) {
  if (grad_x.numel() == 0) return;
  const Images in = images_of(grad_x.shape), out = images_of(grad_y.shape);
  visit_any_floating(grad_x.dtype, [&]<typename Element>() {
    visit_vector<Element>(in.channels, {grad_y.pointer, grad_x.pointer}, [&]<typename T, int V>() {
      visit_mode(mode, [&]<ResizeMode kMode>() {
        launch(exec, "resize_input_grad", image_rows_shape(in, V),
               resize_input_grad_kernel<T, V, kMode>, grad_y.data<T>(), out, in, grad_x.data<T>());
      });
    });
  });
}

}  // namespace akimbo::kernels::cuda
