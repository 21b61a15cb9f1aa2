// Pooling on CUDA. Forward passes give each thread one vector of channels of an output pixel;
// gradients one of an input pixel, which gathers from the windows over it: no atomics, one order.
#include "kernels/pool.h"

#include <cmath>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/image_rows.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// PoolParams in the width of Images.
struct Window {
  int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
};

Window window_of(const PoolParams& p) {
  return {extent_in_int(p.kernel_h), extent_in_int(p.kernel_w), extent_in_int(p.stride_h),
          extent_in_int(p.stride_w), extent_in_int(p.pad_h),    extent_in_int(p.pad_w)};
}

struct Range {
  int begin, end;
};

// Window positions that lie inside [0, extent), for a window starting at `start`.
__device__ __forceinline__ Range inside(int start, int kernel, int extent) {
  return {start < 0 ? -start : 0, kernel < extent - start ? kernel : extent - start};
}

// Windows of `count` that cover position p.
__device__ __forceinline__ Range windows_over(int p, int kernel, int stride, int pad, int count) {
  const int first = p + pad - kernel + 1;
  const int last = (p + pad) / stride + 1;
  return {first <= 0 ? 0 : (first + stride - 1) / stride, last < count ? last : count};
}

// ---- maximum ----

template <typename T, int V>
__global__ void __launch_bounds__(kImageThreads)
    max_pool2d_forward_kernel(const T* x, Images in, Window p, Images out, T* y,
                              std::uint8_t* index) {
  using C = Compute<T>;
  for_each_vector<V>(
      out, [&](std::int64_t n, int oy, int ox, std::int64_t channel, std::int64_t offset) {
        const int y0 = oy * p.stride_h - p.pad_h, x0 = ox * p.stride_w - p.pad_w;
        const Range ky = inside(y0, p.kernel_h, in.height), kx = inside(x0, p.kernel_w, in.width);
        Vector<T, V> best{};
        Vector<std::uint8_t, V> chosen{};
        bool first = true;
        for (int i = ky.begin; i < ky.end; ++i) {
          const T* row = x + ((n * in.height + y0 + i) * in.width + x0) * in.channels + channel;
          for (int j = kx.begin; j < kx.end; ++j) {
            const auto values = load_vector<V>(row + j * in.channels);
            const auto position = static_cast<std::uint8_t>(i * p.kernel_w + j);
#pragma unroll
            for (int k = 0; k < V; ++k) {
              const C value = to_float(values[k]), largest = to_float(best[k]);
              const bool larger =
                  first || value > largest || (std::isnan(value) && !std::isnan(largest));
              if (larger) best[k] = values[k];
              if (larger) chosen[k] = position;
            }
            first = false;
          }
        }
        store_vector(y + offset, best);
        if (index != nullptr) store_vector(index + offset, chosen);
      });
}

template <typename T, int V>
__global__ void __launch_bounds__(kImageThreads)
    max_pool2d_input_grad_kernel(const T* grad_y, const std::uint8_t* index, Images out, Window p,
                                 Images in, T* grad_x) {
  using C = Compute<T>;
  for_each_vector<V>(in, [&](std::int64_t n, std::int64_t iy, std::int64_t ix, std::int64_t channel,
                             std::int64_t offset) {
    const Range wy = windows_over(iy, p.kernel_h, p.stride_h, p.pad_h, out.height);
    const Range wx = windows_over(ix, p.kernel_w, p.stride_w, p.pad_w, out.width);
    C sums[V] = {};
    for (int oy = wy.begin; oy < wy.end; ++oy) {
      for (int ox = wx.begin; ox < wx.end; ++ox) {
        const std::int64_t from = ((n * out.height + oy) * out.width + ox) * out.channels + channel;
        const auto chosen = load_vector<V>(index + from);
        const auto values = load_vector<V>(grad_y + from);
        const auto position = static_cast<std::uint8_t>(
            (iy - oy * p.stride_h + p.pad_h) * p.kernel_w + ix - ox * p.stride_w + p.pad_w);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          if (chosen[k] == position) sums[k] += to_float(values[k]);
        }
      }
    }
    Vector<T, V> result;
#pragma unroll
    for (int k = 0; k < V; ++k) result[k] = from_float<T>(sums[k]);
    store_vector(grad_x + offset, result);
  });
}

// ---- average ----

// Number of positions that the average of window `o` counts, along one axis.
__device__ __forceinline__ int counted(int o, int kernel, int stride, int pad, int extent,
                                       bool count_pad) {
  const int start = o * stride - pad;
  const int limit = count_pad ? extent + pad : extent;
  const int end = start + kernel < limit ? start + kernel : limit;
  return end - (count_pad || start > 0 ? start : 0);
}

template <typename C>
__device__ __forceinline__ C window_count(const Window& p, bool count_pad, int oy, int ox,
                                          const Images& in) {
  return static_cast<C>(static_cast<std::int64_t>(
                            counted(oy, p.kernel_h, p.stride_h, p.pad_h, in.height, count_pad)) *
                        counted(ox, p.kernel_w, p.stride_w, p.pad_w, in.width, count_pad));
}

template <typename T, int V>
__global__ void __launch_bounds__(kImageThreads)
    avg_pool2d_forward_kernel(const T* x, Images in, Window p, bool count_pad, Images out, T* y) {
  using C = Compute<T>;
  for_each_vector<V>(
      out, [&](std::int64_t n, int oy, int ox, std::int64_t channel, std::int64_t offset) {
        const int y0 = oy * p.stride_h - p.pad_h, x0 = ox * p.stride_w - p.pad_w;
        const Range ky = inside(y0, p.kernel_h, in.height), kx = inside(x0, p.kernel_w, in.width);
        C sums[V] = {};
        for (int i = ky.begin; i < ky.end; ++i) {
          const T* row = x + ((n * in.height + y0 + i) * in.width + x0) * in.channels + channel;
          for (int j = kx.begin; j < kx.end; ++j) {
            const auto values = load_vector<V>(row + j * in.channels);
#pragma unroll
            for (int k = 0; k < V; ++k) sums[k] += to_float(values[k]);
          }
        }
        const C count = window_count<C>(p, count_pad, oy, ox, in);
        Vector<T, V> result;
#pragma unroll
        for (int k = 0; k < V; ++k) result[k] = from_float<T>(sums[k] / count);
        store_vector(y + offset, result);
      });
}

template <typename T, int V>
__global__ void __launch_bounds__(kImageThreads)
    avg_pool2d_input_grad_kernel(const T* grad_y, Images out, Window p, bool count_pad, Images in,
                                 T* grad_x) {
  using C = Compute<T>;
  for_each_vector<V>(in, [&](std::int64_t n, std::int64_t iy, std::int64_t ix, std::int64_t channel,
                             std::int64_t offset) {
    const Range wy = windows_over(iy, p.kernel_h, p.stride_h, p.pad_h, out.height);
    const Range wx = windows_over(ix, p.kernel_w, p.stride_w, p.pad_w, out.width);
    C sums[V] = {};
    for (int oy = wy.begin; oy < wy.end; ++oy) {
      for (int ox = wx.begin; ox < wx.end; ++ox) {
        const C count = window_count<C>(p, count_pad, oy, ox, in);
        const auto values = load_vector<V>(
            grad_y + ((n * out.height + oy) * out.width + ox) * out.channels + channel);
#pragma unroll
        for (int k = 0; k < V; ++k) sums[k] += to_float(values[k]) / count;
      }
    }
    Vector<T, V> result;
#pragma unroll
    for (int k = 0; k < V; ++k) result[k] = from_float<T>(sums[k]);
    store_vector(grad_x + offset, result);
  });
}

}  // namespace

void max_pool2d_forward(const Exec& exec, ConstView x, const PoolParams& params, View y,
                        View index) {
  if (y.numel() == 0) return;
  const Images in = images_of(x.shape), out = images_of(y.shape);
  visit_any_floating(x.dtype, [&]<typename Element>() {
    visit_vector<Element>(out.channels, {x.pointer, y.pointer, index.pointer},
                          [&]<typename T, int V>() {
                            launch(exec, "max_pool2d_forward", image_rows_shape(out, V),
                                   max_pool2d_forward_kernel<T, V>, x.data<T>(), in,
                                   window_of(params), out, y.data<T>(), index.data<std::uint8_t>());
                          });
  });
}

void max_pool2d_input_grad(const Exec& exec, ConstView grad_y, ConstView index,
                           const PoolParams& params, View grad_x) {
  if (grad_x.numel() == 0) return;
  const Images in = images_of(grad_x.shape), out = images_of(grad_y.shape);
  visit_any_floating(grad_x.dtype, [&]<typename Element>() {
    visit_vector<Element>(
        in.channels, {grad_y.pointer, index.pointer, grad_x.pointer}, [&]<typename T, int V>() {
          launch(exec, "max_pool2d_input_grad", image_rows_shape(in, V),
                 max_pool2d_input_grad_kernel<T, V>, grad_y.data<T>(), index.data<std::uint8_t>(),
                 out, window_of(params), in, grad_x.data<T>());
        });
  });
}

void avg_pool2d_forward(const Exec& exec, ConstView x, const PoolParams& params, bool count_pad,
                        View y) {
  if (y.numel() == 0) return;
  const Images in = images_of(x.shape), out = images_of(y.shape);
  visit_any_floating(x.dtype, [&]<typename Element>() {
    visit_vector<Element>(out.channels, {x.pointer, y.pointer}, [&]<typename T, int V>() {
      launch(exec, "avg_pool2d_forward", image_rows_shape(out, V), avg_pool2d_forward_kernel<T, V>,
             x.data<T>(), in, window_of(params), count_pad, out, y.data<T>());
    });
  });
}

void avg_pool2d_input_grad(const Exec& exec, ConstView grad_y, const PoolParams& params,
                           bool count_pad, View grad_x) {
  if (grad_x.numel() == 0) return;
  const Images in = images_of(grad_x.shape), out = images_of(grad_y.shape);
  visit_any_floating(grad_x.dtype, [&]<typename Element>() {
    visit_vector<Element>(in.channels, {grad_y.pointer, grad_x.pointer}, [&]<typename T, int V>() {
      launch(exec, "avg_pool2d_input_grad", image_rows_shape(in, V),
             avg_pool2d_input_grad_kernel<T, V>, grad_y.data<T>(), out, window_of(params),
             count_pad, in, grad_x.data<T>());
    });
  });
}

}  // namespace akimbo::kernels::cuda
