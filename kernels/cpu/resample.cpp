// Resizing on the CPU. Along each axis a target pixel is a weighted sum of source pixels: its taps.
// The gradient is the same loop with the taps transposed, so every element has one writer.
#include "kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

struct Tap {
  std::int64_t source;
  double weight;
};

// taps[first[o] .. first[o + 1]) belong to target pixel o.
struct Taps {
  std::vector<Tap> taps;
  std::vector<std::size_t> first;
};

Taps make_taps(std::int64_t in, std::int64_t out, ResizeMode mode) {
  Taps t;
  for (std::int64_t o = 0; o < out; ++o) {
    t.first.push_back(t.taps.size());
    if (mode == ResizeMode::nearest) {
      t.taps.push_back({o * in / out, 1});
      continue;
    }
    double s = 0;
    if (mode == ResizeMode::bilinear) {
      const double ratio = static_cast<double>(in) / static_cast<double>(out);
      s = std::max(0.0, (static_cast<double>(o) + 0.5) * ratio - 0.5);
    } else if (out > 1) {
      s = static_cast<double>(o * (in - 1)) / static_cast<double>(out - 1);
    }
    const std::int64_t i = std::min(in - 1, static_cast<std::int64_t>(s));
    const double f = s - static_cast<double>(i);
    if (f <= 0 || i + 1 >= in) {
      t.taps.push_back({i, 1});
    } else {
      t.taps.push_back({i, 1 - f});
      t.taps.push_back({i + 1, f});
    }
  }
  t.first.push_back(t.taps.size());
  return t;
}

// The taps of the gradient: source and target change places.
Taps transposed(const Taps& t, std::int64_t in) {
  Taps result;
  result.first.assign(static_cast<std::size_t>(in) + 1, 0);
  for (const Tap& tap : t.taps) ++result.first[static_cast<std::size_t>(tap.source) + 1];
  for (std::size_t i = 1; i < result.first.size(); ++i) result.first[i] += result.first[i - 1];
  std::vector<std::size_t> next = result.first;
  result.taps.resize(t.taps.size());
  for (std::size_t o = 0; o + 1 < t.first.size(); ++o) {
    for (std::size_t k = t.first[o]; k < t.first[o + 1]; ++k) {
      const auto source = static_cast<std::size_t>(t.taps[k].source);
      result.taps[next[source]++] = {static_cast<std::int64_t>(o), t.taps[k].weight};
    }
  }
  return result;
}

// One pixel of y: the sum over its taps in both axes. `x` is the image, of `width` columns.
template <typename T>
void resize_pixel(const T* x, std::int64_t width, std::int64_t channels, const Taps& rows,
                  std::size_t oy, const Taps& columns, std::size_t ox, T* y) {
  bool first = true;
  for (std::size_t j = rows.first[oy]; j < rows.first[oy + 1]; ++j) {
    for (std::size_t i = columns.first[ox]; i < columns.first[ox + 1]; ++i) {
      const T weight = static_cast<T>(rows.taps[j].weight * columns.taps[i].weight);
      const T* source = x + (rows.taps[j].source * width + columns.taps[i].source) * channels;
      if (first && weight == T(1)) {
        std::copy_n(source, channels, y);
      } else if (first) {
        for (std::int64_t c = 0; c < channels; ++c) y[c] = weight * source[c];
      } else {
        for (std::int64_t c = 0; c < channels; ++c) y[c] += weight * source[c];
      }
      first = false;
    }
  }
  if (first) std::fill_n(y, channels, T(0));
}

void apply_taps(ConstView x, const Taps& rows, const Taps& columns, View y) {
  if (y.numel() == 0) return;
  const std::int64_t height = y.dim(1), width = y.dim(2), channels = y.dim(3);
  const std::int64_t image = x.dim(1) * x.dim(2) * channels;
  visit_floating(y.dtype, [&]<typename T>() {
    const std::int64_t grain = std::max<std::int64_t>(1, (1 << 14) / (width * channels));
    parallel_for(y.dim(0) * height, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T* source = x.data<T>() + row / height * image;
        for (std::int64_t ox = 0; ox < width; ++ox) {
          resize_pixel(source, x.dim(2), channels, rows, static_cast<std::size_t>(row % height),
                       columns, static_cast<std::size_t>(ox),
                       y.data<T>() + (row * width + ox) * channels);
        }
      }
    });
  });
}

}  // namespace

void resize_forward(const Exec&, ConstView x, ResizeMode mode, View y) {
  apply_taps(x, make_taps(x.dim(1), y.dim(1), mode), make_taps(x.dim(2), y.dim(2), mode), y);
}

void resize_add_forward(const Exec& exec, ConstView x, ResizeMode mode, ConstView addend, bool relu,
                        View y) {
  visit_floating(y.dtype, [&]<typename T>() {
    const Scratch<T> resized(exec, static_cast<std::size_t>(y.numel() + 1));
    resize_forward(exec, x, mode, {resized.data(), y.dtype, y.shape});
    const T* a = addend.data<T>();
    T* out = y.data<T>();
    parallel_for(y.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T sum = a[i] + resized.data()[i];
        out[i] = relu && sum < T(0) ? T(0) : sum;
      }
    });
  });
}

void resize_input_grad(const Exec&, ConstView grad_y, ResizeMode mode, View grad_x) {
  const std::int64_t height = grad_x.dim(1), width = grad_x.dim(2);
  apply_taps(grad_y, transposed(make_taps(height, grad_y.dim(1), mode), height),
             transposed(make_taps(width, grad_y.dim(2), mode), width), grad_x);
}

}  // namespace akimbo::kernels::cpu
