// Pooling on the CPU: f64 by plain loops, max pooling of f32 by pool_simd.h. Channels are
// innermost, one output (or, for gradients, input) row per task, so that every element is written
// by one thread and sums have one order.
#include "kernels/pool.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/pool_simd.h"

namespace akimbo::kernels::cpu {
namespace {

// Window positions [begin, end) that lie inside [0, extent), for a window starting at `start`.
struct Clip {
  std::int64_t begin, end;
};

Clip clip(std::int64_t start, std::int64_t kernel, std::int64_t extent) {
  return {std::max<std::int64_t>(0, -start), std::min(kernel, extent - start)};
}

// Windows [begin, end) of `count` that cover position p.
Clip windows_over(std::int64_t p, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                  std::int64_t count) {
  const std::int64_t first = p + pad - kernel + 1;
  return {first <= 0 ? 0 : (first + stride - 1) / stride, std::min(count, (p + pad) / stride + 1)};
}

std::int64_t rows_per_task(std::int64_t row_numel) {
  return std::max<std::int64_t>(1, (1 << 14) / std::max<std::int64_t>(1, row_numel));
}

template <typename T>
void max_window(const T* x, std::int64_t channels, T* y, std::uint8_t* index, std::uint8_t position,
                bool first) {
  if (first) {
    std::copy_n(x, channels, y);
    if (index) std::fill_n(index, channels, position);
    return;
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const bool larger = x[c] > y[c] || (std::isnan(x[c]) && !std::isnan(y[c]));
    y[c] = larger ? x[c] : y[c];
    if (index) index[c] = larger ? position : index[c];
  }
}

template <typename T>
void max_pool_row(ConstView x, const PoolParams& p, View y, View index, std::int64_t row) {
  const std::int64_t height = x.dim(1), width = x.dim(2), channels = x.dim(3);
  const std::int64_t n = row / y.dim(1), oy = row % y.dim(1);
  const std::int64_t y0 = oy * p.stride_h - p.pad_h;
  const Clip ky = clip(y0, p.kernel_h, height);
  for (std::int64_t ox = 0; ox < y.dim(2); ++ox) {
    const std::int64_t x0 = ox * p.stride_w - p.pad_w;
    const Clip kx = clip(x0, p.kernel_w, width);
    const std::int64_t out = (row * y.dim(2) + ox) * channels;
    std::uint8_t* indices = index ? index.data<std::uint8_t>() + out : nullptr;
    const T* image = x.data<T>() + n * height * width * channels;
    if constexpr (std::is_same_v<T, float>) {
      max_pool_pixel(image + ((y0 + ky.begin) * width + x0 + kx.begin) * channels, width * channels,
                     channels, {ky.begin, ky.end, kx.begin, kx.end, p.kernel_w}, y.data<T>() + out,
                     indices);
      continue;
    }
    bool first = true;
    for (std::int64_t i = ky.begin; i < ky.end; ++i) {
      for (std::int64_t j = kx.begin; j < kx.end; ++j) {
        max_window(image + ((y0 + i) * width + x0 + j) * channels, channels, y.data<T>() + out,
                   indices, static_cast<std::uint8_t>(i * p.kernel_w + j), first);
        first = false;
      }
    }
  }
}

// grad_x[c] += grad_y[c] where the window chose this position; the first window overwrites.
template <typename T>
void add_chosen(const T* grad_y, const std::uint8_t* index, std::uint8_t position,
                std::int64_t channels, bool first, T* grad_x) {
  if constexpr (std::is_same_v<T, float>) {
    max_pool_grad_window(grad_y, index, position, channels, first, grad_x);
  } else {
    for (std::int64_t c = 0; c < channels; ++c) {
      grad_x[c] = (first ? T(0) : grad_x[c]) + (index[c] == position ? grad_y[c] : T(0));
    }
  }
}

template <typename T>
void max_pool_grad_row(ConstView grad_y, ConstView index, const PoolParams& p, View grad_x,
                       std::int64_t row) {
  const std::int64_t height = grad_x.dim(1), width = grad_x.dim(2), channels = grad_x.dim(3);
  const std::int64_t n = row / height, iy = row % height;
  const Clip wy = windows_over(iy, p.kernel_h, p.stride_h, p.pad_h, grad_y.dim(1));
  for (std::int64_t ix = 0; ix < width; ++ix) {
    T* out = grad_x.data<T>() + (row * width + ix) * channels;
    const Clip wx = windows_over(ix, p.kernel_w, p.stride_w, p.pad_w, grad_y.dim(2));
    bool first = true;
    for (std::int64_t oy = wy.begin; oy < wy.end; ++oy) {
      for (std::int64_t ox = wx.begin; ox < wx.end; ++ox) {
        const auto position = static_cast<std::uint8_t>(
            (iy - oy * p.stride_h + p.pad_h) * p.kernel_w + ix - ox * p.stride_w + p.pad_w);
        const std::int64_t in = ((n * grad_y.dim(1) + oy) * grad_y.dim(2) + ox) * channels;
        add_chosen(grad_y.data<T>() + in, index.data<std::uint8_t>() + in, position, channels,
                   first, out);
        first = false;
      }
    }
    if (first) std::fill_n(out, channels, T(0));
  }
}

// Number of positions that the average of window `o` counts, along one axis.
std::int64_t counted(std::int64_t o, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                     std::int64_t extent, bool count_pad) {
  const std::int64_t start = o * stride - pad;
  const std::int64_t end = std::min(start + kernel, count_pad ? extent + pad : extent);
  return end - (count_pad ? start : std::max<std::int64_t>(0, start));
}

std::int64_t window_count(const PoolParams& p, bool count_pad, std::int64_t oy, std::int64_t ox,
                          const Shape& x) {
  return counted(oy, p.kernel_h, p.stride_h, p.pad_h, x[1], count_pad) *
         counted(ox, p.kernel_w, p.stride_w, p.pad_w, x[2], count_pad);
}

template <typename T>
void avg_pool_row(ConstView x, const PoolParams& p, bool count_pad, View y, std::int64_t row) {
  const std::int64_t height = x.dim(1), width = x.dim(2), channels = x.dim(3);
  const std::int64_t n = row / y.dim(1), oy = row % y.dim(1);
  const std::int64_t y0 = oy * p.stride_h - p.pad_h;
  const Clip ky = clip(y0, p.kernel_h, height);
  for (std::int64_t ox = 0; ox < y.dim(2); ++ox) {
    const std::int64_t x0 = ox * p.stride_w - p.pad_w;
    const Clip kx = clip(x0, p.kernel_w, width);
    T* out = y.data<T>() + (row * y.dim(2) + ox) * channels;
    std::fill_n(out, channels, T(0));
    for (std::int64_t i = ky.begin; i < ky.end; ++i) {
      for (std::int64_t j = kx.begin; j < kx.end; ++j) {
        const T* source = x.data<T>() + ((n * height + y0 + i) * width + x0 + j) * channels;
        for (std::int64_t c = 0; c < channels; ++c) out[c] += source[c];
      }
    }
    const T count = static_cast<T>(window_count(p, count_pad, oy, ox, x.shape));
    for (std::int64_t c = 0; c < channels; ++c) out[c] /= count;
  }
}

template <typename T>
void avg_pool_grad_row(ConstView grad_y, const PoolParams& p, bool count_pad, View grad_x,
                       std::int64_t row) {
  const std::int64_t height = grad_x.dim(1), width = grad_x.dim(2), channels = grad_x.dim(3);
  const std::int64_t n = row / height, iy = row % height;
  const Clip wy = windows_over(iy, p.kernel_h, p.stride_h, p.pad_h, grad_y.dim(1));
  for (std::int64_t ix = 0; ix < width; ++ix) {
    T* out = grad_x.data<T>() + (row * width + ix) * channels;
    std::fill_n(out, channels, T(0));
    const Clip wx = windows_over(ix, p.kernel_w, p.stride_w, p.pad_w, grad_y.dim(2));
    for (std::int64_t oy = wy.begin; oy < wy.end; ++oy) {
      for (std::int64_t ox = wx.begin; ox < wx.end; ++ox) {
        const T count = static_cast<T>(window_count(p, count_pad, oy, ox, grad_x.shape));
        const T* g = grad_y.data<T>() + ((n * grad_y.dim(1) + oy) * grad_y.dim(2) + ox) * channels;
        for (std::int64_t c = 0; c < channels; ++c) out[c] += g[c] / count;
      }
    }
  }
}

template <typename F>
void for_each_row(const Shape& shape, const F& f) {
  if (shape.numel() == 0) return;
  parallel_for(shape[0] * shape[1], rows_per_task(shape[2] * shape[3]),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) f(row);
               });
}

}  // namespace

void max_pool2d_forward(const Exec&, ConstView x, const PoolParams& params, View y, View index) {
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_row(y.shape, [&](std::int64_t row) { max_pool_row<T>(x, params, y, index, row); });
  });
}

void max_pool2d_input_grad(const Exec&, ConstView grad_y, ConstView index, const PoolParams& params,
                           View grad_x) {
  visit_floating(grad_y.dtype, [&]<typename T>() {
    for_each_row(grad_x.shape, [&](std::int64_t row) {
      max_pool_grad_row<T>(grad_y, index, params, grad_x, row);
    });
  });
}

void avg_pool2d_forward(const Exec&, ConstView x, const PoolParams& params, bool count_pad,
                        View y) {
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_row(y.shape, [&](std::int64_t row) { avg_pool_row<T>(x, params, count_pad, y, row); });
  });
}

void avg_pool2d_input_grad(const Exec&, ConstView grad_y, const PoolParams& params, bool count_pad,
                           View grad_x) {
  visit_floating(grad_y.dtype, [&]<typename T>() {
    for_each_row(grad_x.shape, [&](std::int64_t row) {
      avg_pool_grad_row<T>(grad_y, params, count_pad, grad_x, row);
    });
  });
}

}  // namespace akimbo::kernels::cpu
