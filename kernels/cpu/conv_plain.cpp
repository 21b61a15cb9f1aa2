// Convolution as plain loops over the formulas of kernels/conv.h, any size and any parameters. The
// oracle of the fast path; slow by intent.
#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/conv.h"
#include "kernels/cpu/conv_sums.h"

namespace akimbo::kernels::cpu {
namespace {

// The pixel that tap k ties to a pixel of the other map, along one axis; -1 if there is none.
enum class Direction { small_to_big, big_to_small };

struct Axis {
  Direction direction;
  Conv2dParams params;
  std::int64_t extent;  // of the map that is looked up

  [[nodiscard]] std::int64_t at(std::int64_t i, std::int64_t k) const {
    std::int64_t j = 0;
    if (direction == Direction::small_to_big) {
      j = i * params.stride - params.padding + k * params.dilation;
    } else {
      j = i + params.padding - k * params.dilation;
      if (j % params.stride != 0) return -1;
      j /= params.stride;
    }
    return j >= 0 && j < extent ? j : -1;
  }
};

// Calls f(k, q) for each tap k = ky * kw + kx of `weight` and the pixel index q that it ties to
// pixel (n, i, j).
template <typename F>
void for_each_tap(const Shape& weight, const Axis& rows, const Axis& cols, std::int64_t n,
                  std::int64_t i, std::int64_t j, const F& f) {
  for (std::int64_t ky = 0; ky < weight[1]; ++ky) {
    const std::int64_t qi = rows.at(i, ky);
    if (qi < 0) continue;
    for (std::int64_t kx = 0; kx < weight[2]; ++kx) {
      const std::int64_t qj = cols.at(j, kx);
      if (qj < 0) continue;
      f(ky * weight[2] + kx, (n * rows.extent + qi) * cols.extent + qj);
    }
  }
}

// Chunks of about this many multiplications: below that a thread costs more than it saves.
std::int64_t grain_of(std::int64_t products_per_item) {
  return (1 << 16) / std::max<std::int64_t>(1, products_per_item) + 1;
}

template <typename F>
void for_each_pixel(const Shape& map, const Shape& weight, const F& f) {
  parallel_for(map[0] * map[1], grain_of(weight.numel() * map[2]),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   for (std::int64_t j = 0; j < map[2]; ++j) f(row / map[1], row % map[1], j);
                 }
               });
}

template <typename T>
T finish(T sum, const ConvEpilogue& e, std::int64_t o, std::int64_t index) {
  if (e.scale) sum *= e.scale.data<T>()[o];
  if (e.shift) sum += e.shift.data<T>()[o];
  if (e.residual) sum += e.residual.data<T>()[index];
  return e.relu && sum < T(0) ? T(0) : sum;
}

// y(p, o) = sum over k, c: x(q(p, k), c) w(o, k, c).
template <typename T>
void sum_over_inputs(Direction direction, ConstView x, ConstView w, const ConvEpilogue& epilogue,
                     const Conv2dParams& params, View y) {
  const std::int64_t num_x = x.dim(3), num_y = y.dim(3), num_c = w.dim(3);
  const std::int64_t group_outputs = num_y / params.groups, taps = w.dim(1) * w.dim(2);
  const Axis rows{direction, params, x.dim(1)}, cols{direction, params, x.dim(2)};
  const T* px = x.data<T>();
  const T* pw = w.data<T>();
  T* py = y.data<T>();
  for_each_pixel(y.shape, w.shape, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
    const std::int64_t p = (n * y.dim(1) + i) * y.dim(2) + j;
    for (std::int64_t o = 0; o < num_y; ++o) {
      T sum = 0;
      for_each_tap(w.shape, rows, cols, n, i, j, [&](std::int64_t k, std::int64_t q) {
        const T* a = px + q * num_x + o / group_outputs * num_c;
        const T* b = pw + (o * taps + k) * num_c;
        for (std::int64_t c = 0; c < num_c; ++c) sum += a[c] * b[c];
      });
      py[p * num_y + o] = finish(sum, epilogue, o, p * num_y + o);
    }
  });
}

// grad_x(p, c) = sum over k, o: grad_y(q(p, k), o) w(o, k, c).
template <typename T>
void sum_over_outputs(Direction direction, ConstView grad_y, ConstView w,
                      const Conv2dParams& params, View grad_x) {
  const std::int64_t num_x = grad_x.dim(3), num_y = grad_y.dim(3), num_c = w.dim(3);
  const std::int64_t group_outputs = num_y / params.groups, taps = w.dim(1) * w.dim(2);
  const Axis rows{direction, params, grad_y.dim(1)}, cols{direction, params, grad_y.dim(2)};
  const T* pg = grad_y.data<T>();
  const T* pw = w.data<T>();
  T* px = grad_x.data<T>();
  for_each_pixel(grad_x.shape, w.shape, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
    T* out = px + ((n * grad_x.dim(1) + i) * grad_x.dim(2) + j) * num_x;
    std::fill_n(out, num_x, T(0));
    for_each_tap(w.shape, rows, cols, n, i, j, [&](std::int64_t k, std::int64_t q) {
      for (std::int64_t o = 0; o < num_y; ++o) {
        const T g = pg[q * num_y + o];
        const T* b = pw + (o * taps + k) * num_c;
        T* group_out = out + o / group_outputs * num_c;
        for (std::int64_t c = 0; c < num_c; ++c) group_out[c] += g * b[c];
      }
    });
  });
}

// grad_w(o, k, c) = sum over p: grad_y(p, o) x(q(p, k), c).
template <typename T>
void sum_over_pixels(Direction direction, ConstView x, ConstView grad_y, const Conv2dParams& params,
                     View grad_w) {
  const std::int64_t num_x = x.dim(3), num_y = grad_y.dim(3), num_c = grad_w.dim(3);
  const std::int64_t group_outputs = num_y / params.groups, taps = grad_w.dim(1) * grad_w.dim(2);
  const Axis rows{direction, params, x.dim(1)}, cols{direction, params, x.dim(2)};
  const T* px = x.data<T>();
  const T* pg = grad_y.data<T>();
  T* pw = grad_w.data<T>();
  const auto weight_of_output = [&](std::int64_t o) {
    std::fill_n(pw + o * taps * num_c, taps * num_c, T(0));
    for (std::int64_t p = 0; p < grad_y.dim(0) * grad_y.dim(1) * grad_y.dim(2); ++p) {
      const std::int64_t j = p % grad_y.dim(2), row = p / grad_y.dim(2);
      const T g = pg[p * num_y + o];
      for_each_tap(grad_w.shape, rows, cols, row / grad_y.dim(1), row % grad_y.dim(1), j,
                   [&](std::int64_t k, std::int64_t q) {
                     const T* a = px + q * num_x + o / group_outputs * num_c;
                     T* out = pw + (o * taps + k) * num_c;
                     for (std::int64_t c = 0; c < num_c; ++c) out[c] += g * a[c];
                   });
    }
  };
  const std::int64_t products = taps * num_c * grad_y.numel() / std::max<std::int64_t>(1, num_y);
  parallel_for(num_y, grain_of(products), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) weight_of_output(o);
  });
}

}  // namespace

void conv2d_forward_plain(const Exec&, ConstView x, const ConvWeight& w, const ConvEpilogue& e,
                          const Conv2dParams& params, View y) {
  visit_floating(y.dtype, [&]<typename T>() {
    sum_over_inputs<T>(Direction::small_to_big, x, w.weight, e, params, y);
  });
  channel_sums(y, e.channel_sums);
}

void conv2d_input_grad_plain(const Exec&, ConstView grad_y, ConstView w, const Conv2dParams& params,
                             View grad_x) {
  visit_floating(grad_x.dtype, [&]<typename T>() {
    sum_over_outputs<T>(Direction::big_to_small, grad_y, w, params, grad_x);
  });
}

void conv2d_weight_grad_plain(const Exec&, ConstView x, ConstView grad_y,
                              const Conv2dParams& params, View grad_w) {
  visit_floating(grad_w.dtype, [&]<typename T>() {
    sum_over_pixels<T>(Direction::small_to_big, x, grad_y, params, grad_w);
  });
}

void conv_transpose2d_forward_plain(const Exec&, ConstView x, const ConvWeight& w,
                                    const ConvEpilogue& e, const Conv2dParams& params, View y) {
  visit_floating(y.dtype, [&]<typename T>() {
    sum_over_inputs<T>(Direction::big_to_small, x, w.weight, e, params, y);
  });
  channel_sums(y, e.channel_sums);
}

void conv_transpose2d_input_grad_plain(const Exec&, ConstView grad_y, ConstView w,
                                       const Conv2dParams& params, View grad_x) {
  visit_floating(grad_x.dtype, [&]<typename T>() {
    sum_over_outputs<T>(Direction::small_to_big, grad_y, w, params, grad_x);
  });
}

void conv_transpose2d_weight_grad_plain(const Exec&, ConstView x, ConstView grad_y,
                                        const Conv2dParams& params, View grad_w) {
  visit_floating(grad_w.dtype, [&]<typename T>() {
    sum_over_pixels<T>(Direction::big_to_small, x, grad_y, params, grad_w);
  });
}

}  // namespace akimbo::kernels::cpu
