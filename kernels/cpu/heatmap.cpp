// Coordinates from heatmaps on the CPU.
#include "kernels/heatmap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

struct Volume {
  std::int64_t width, keypoints, depth;
  std::int64_t row_numel() const { return width * keypoints * depth; }
};

// Of one keypoint over some rows: the largest logit, and the sums of e = exp(logit - largest) and
// of e times the cell's indices.
struct Moments {
  double largest = -std::numeric_limits<double>::infinity();
  double e = 0, ex = 0, ey = 0, ez = 0;
};

template <typename T>
void largest_of_rows(const T* x, std::int64_t pixels, const Volume& v, Moments* moments) {
  for (std::int64_t p = 0; p < pixels; ++p) {
    for (std::int64_t k = 0; k < v.keypoints; ++k, x += v.depth) {
      const T largest = *std::max_element(x, x + v.depth);
      moments[k].largest = std::max(moments[k].largest, static_cast<double>(largest));
    }
  }
}

// `x` starts at row `y`, column 0.
template <typename T>
void moments_of_rows(const T* x, std::int64_t y, std::int64_t rows, const Volume& v,
                     Moments* moments) {
  largest_of_rows(x, rows * v.width, v, moments);
  for (std::int64_t p = 0; p < rows * v.width; ++p) {
    const double px = static_cast<double>(p % v.width);
    const double py = static_cast<double>(y + p / v.width);
    for (std::int64_t k = 0; k < v.keypoints; ++k, x += v.depth) {
      // Rows of -inf only hold no mass; 0 in place of their maximum gives exp(-inf) = 0.
      const T shift = std::isinf(moments[k].largest) && moments[k].largest < 0
                          ? T(0)
                          : static_cast<T>(moments[k].largest);
      double e = 0, ez = 0;
      for (std::int64_t d = 0; d < v.depth; ++d) {
        const double value = static_cast<double>(std::exp(x[d] - shift));
        e += value;
        ez += value * static_cast<double>(d);
      }
      moments[k].e += e;
      moments[k].ex += e * px;
      moments[k].ey += e * py;
      moments[k].ez += ez;
    }
  }
}

// Two sets of moments brought to the common maximum and added.
void merge(Moments& total, const Moments& part) {
  if (part.e == 0) return;
  const double largest = std::max(total.largest, part.largest);
  const double a = total.e == 0 ? 0 : std::exp(total.largest - largest);
  const double b = std::exp(part.largest - largest);
  total = {largest, a * total.e + b * part.e, a * total.ex + b * part.ex,
           a * total.ey + b * part.ey, a * total.ez + b * part.ez};
}

std::int64_t rows_per_block(std::int64_t row_numel) {
  return std::max<std::int64_t>(1, (1 << 14) / std::max<std::int64_t>(1, row_numel));
}

template <typename T>
void soft_argmax(const Exec& exec, ConstView x, View coords, View norm) {
  const std::int64_t height = x.dim(1), keypoints = coords.dim(1), axes = coords.dim(2);
  const Volume v{x.dim(2), keypoints, x.dim(3) / keypoints};
  const std::int64_t rows = rows_per_block(v.row_numel());
  const std::int64_t blocks = (height + rows - 1) / rows;
  Scratch<Moments> partial(exec, static_cast<std::size_t>(x.dim(0) * blocks * keypoints));
  parallel_for(x.dim(0) * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t y = task % blocks * rows;
      Moments* moments = partial.data() + task * keypoints;
      std::fill_n(moments, keypoints, Moments());
      moments_of_rows(x.data<T>() + (task / blocks * height + y) * v.row_numel(), y,
                      std::min(rows, height - y), v, moments);
    }
  });
  for (std::int64_t i = 0; i < x.dim(0) * keypoints; ++i) {
    Moments total;
    for (std::int64_t b = 0; b < blocks; ++b) {
      merge(total, partial[static_cast<std::size_t>((i / keypoints * blocks + b) * keypoints +
                                                    i % keypoints)]);
    }
    T* c = coords.data<T>() + i * axes;
    c[0] = static_cast<T>(total.ex / total.e);
    c[1] = static_cast<T>(total.ey / total.e);
    if (axes == 3) c[2] = static_cast<T>(total.ez / total.e);
    norm.data<T>()[2 * i] = static_cast<T>(total.largest);
    norm.data<T>()[2 * i + 1] = static_cast<T>(1 / total.e);
  }
}

// One pixel of grad_x; g, c and norm are those of the image's first keypoint.
template <typename T>
void soft_argmax_grad_pixel(const T* x, const Volume& v, std::int64_t axes, T px, T py, const T* c,
                            const T* norm, const T* g, T* grad_x) {
  for (std::int64_t k = 0; k < v.keypoints; ++k) {
    const T plane = g[0] * (px - c[0]) + g[1] * (py - c[1]);
    for (std::int64_t d = 0; d < v.depth; ++d) {
      const T probability = std::exp(x[d] - norm[0]) * norm[1];
      const T along = axes == 3 ? g[2] * (static_cast<T>(d) - c[2]) : T(0);
      grad_x[d] = probability * (plane + along);
    }
    x += v.depth;
    grad_x += v.depth;
    c += axes;
    g += axes;
    norm += 2;
  }
}

template <typename T>
void argmax_map(const T* x, std::int64_t width, std::int64_t pixels, std::int64_t keypoints,
                T* score, std::int32_t* location) {
  std::copy_n(x, keypoints, score);
  std::fill_n(location, 2 * keypoints, 0);
  for (std::int64_t p = 1; p < pixels; ++p) {
    const T* values = x + p * keypoints;
    for (std::int64_t k = 0; k < keypoints; ++k) {
      if (values[k] > score[k] || (std::isnan(values[k]) && !std::isnan(score[k]))) {
        score[k] = values[k];
        location[2 * k] = static_cast<std::int32_t>(p % width);
        location[2 * k + 1] = static_cast<std::int32_t>(p / width);
      }
    }
  }
}

template <typename T>
struct Map {
  const T* values;  // of one keypoint: the first cell
  std::int64_t height, width, step;
  T at(std::int64_t y, std::int64_t x) const { return values[(y * width + x) * step]; }
};

template <typename T>
bool is_peak(const Map<T>& map, std::int64_t y, std::int64_t x, std::int64_t reach) {
  const T value = map.at(y, x);
  for (std::int64_t j = std::max<std::int64_t>(0, y - reach);
       j <= std::min(map.height - 1, y + reach); ++j) {
    for (std::int64_t i = std::max<std::int64_t>(0, x - reach);
         i <= std::min(map.width - 1, x + reach); ++i) {
      if (map.at(j, i) > value) return false;
    }
  }
  return true;
}

template <typename T>
std::int32_t peaks_of_map(const Map<T>& map, const PeakParams& params, std::int64_t places,
                          T* score, std::int32_t* location) {
  std::vector<std::int64_t> cells;
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      if (static_cast<double>(map.at(y, x)) > params.threshold &&
          is_peak(map, y, x, params.window / 2)) {
        cells.push_back(y * map.width + x);
      }
    }
  }
  const auto value = [&](std::int64_t cell) { return map.values[cell * map.step]; };
  std::stable_sort(cells.begin(), cells.end(),
                   [&](std::int64_t a, std::int64_t b) { return value(a) > value(b); });
  const std::int64_t count = std::min(places, static_cast<std::int64_t>(cells.size()));
  for (std::int64_t i = 0; i < places; ++i) {
    const std::int64_t cell = i < count ? cells[static_cast<std::size_t>(i)] : -1;
    score[i] = i < count ? value(cell) : T(0);
    location[2 * i] = static_cast<std::int32_t>(i < count ? cell % map.width : -1);
    location[2 * i + 1] = static_cast<std::int32_t>(i < count ? cell / map.width : -1);
  }
  return static_cast<std::int32_t>(count);
}

}  // namespace

void soft_argmax_forward(const Exec& exec, ConstView x, View coords, View norm) {
  if (coords.numel() == 0) return;
  visit_floating(x.dtype, [&]<typename T>() { soft_argmax<T>(exec, x, coords, norm); });
}

void soft_argmax_input_grad(const Exec&, ConstView x, ConstView coords, ConstView norm,
                            ConstView grad_coords, View grad_x) {
  if (grad_x.numel() == 0) return;
  const std::int64_t height = x.dim(1), width = x.dim(2), axes = coords.dim(2);
  const std::int64_t keypoints = coords.dim(1), channels = x.dim(3);
  const Volume v{width, keypoints, channels / keypoints};
  visit_floating(x.dtype, [&]<typename T>() {
    parallel_for(x.dim(0) * height, rows_per_block(v.row_numel()),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t pixel = begin * width; pixel < end * width; ++pixel) {
                     const std::int64_t row = pixel / width;
                     const std::int64_t first = row / height * keypoints;
                     soft_argmax_grad_pixel(
                         x.data<T>() + pixel * channels, v, axes, static_cast<T>(pixel % width),
                         static_cast<T>(row % height), coords.data<T>() + first * axes,
                         norm.data<T>() + first * 2, grad_coords.data<T>() + first * axes,
                         grad_x.data<T>() + pixel * channels);
                   }
                 });
  });
}

void heatmap_argmax(const Exec&, ConstView x, View score, View location) {
  const std::int64_t pixels = x.dim(1) * x.dim(2), keypoints = x.dim(3);
  visit_floating(x.dtype, [&]<typename T>() {
    parallel_for(x.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        argmax_map(x.data<T>() + n * pixels * keypoints, x.dim(2), pixels, keypoints,
                   score.data<T>() + n * keypoints,
                   location.data<std::int32_t>() + n * keypoints * 2);
      }
    });
  });
}

void heatmap_peaks(const Exec&, ConstView x, const PeakParams& params, View score, View location,
                   View count) {
  const std::int64_t keypoints = x.dim(3), places = score.dim(2);
  visit_floating(x.dtype, [&]<typename T>() {
    parallel_for(x.dim(0) * keypoints, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* image = x.data<T>() + i / keypoints * x.dim(1) * x.dim(2) * keypoints;
        const Map<T> map{image + i % keypoints, x.dim(1), x.dim(2), keypoints};
        count.data<std::int32_t>()[i] =
            peaks_of_map(map, params, places, score.data<T>() + i * places,
                         location.data<std::int32_t>() + i * places * 2);
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
