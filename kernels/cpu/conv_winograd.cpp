#include "kernels/cpu/conv_winograd.h"

#include <algorithm>
#include <cstddef>
#include <vector>

// The same instruction sets as gemm.cpp.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv_winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/gemm.h"

#ifndef AKIMBO_CONV_WINOGRAD_ONCE
#define AKIMBO_CONV_WINOGRAD_ONCE
namespace akimbo::kernels::cpu {

// One 2x2 block of outputs: where its pixels are, and what becomes of the sums.
template <typename T>
struct WinogradOutput {
  T* y[4];               // null outside the map
  const T* residual[4];  // null if there is none
  const T* scale;        // null if there is none
  const T* shift;
  bool relu;
};

}  // namespace akimbo::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The one-dimensional transforms of F(2, R): R + 1 points in, as many multiplications, two out.
template <int R, typename V>
HWY_INLINE HWY_ATTR void input_line(const V* d, V* t) {
  if constexpr (R == 3) {
    t[0] = hn::Sub(d[0], d[2]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[1], d[3]);
  } else {
    t[0] = hn::Sub(d[0], d[1]);
    t[1] = d[1];
    t[2] = hn::Sub(d[2], d[1]);
  }
}

template <int R, typename V>
HWY_INLINE HWY_ATTR void output_line(const V* m, V* y) {
  if constexpr (R == 3) {
    y[0] = hn::Add(m[0], hn::Add(m[1], m[2]));
    y[1] = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
  } else {
    y[0] = hn::Add(m[0], m[1]);
    y[1] = hn::Add(m[1], m[2]);
  }
}

// Transforms a block of (R+1)^2 pixels; point k of channel c goes to v[k * stride + c].
template <int R, typename T>
HWY_ATTR void input_tile(const T* const* pixels, std::int64_t channels, T* v, std::int64_t stride) {
  constexpr int P = R + 1;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Vector t[P][P];  // columns transformed: t[column][point]
#pragma GCC unroll 4
    for (int j = 0; j < P; ++j) {
      Vector column[P];
#pragma GCC unroll 4
      for (int i = 0; i < P; ++i) column[i] = hn::LoadU(d, pixels[i * P + j] + c);
      input_line<R>(column, t[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < P; ++i) {
      Vector row[P], out[P];
#pragma GCC unroll 4
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      input_line<R>(row, out);
#pragma GCC unroll 4
      for (int j = 0; j < P; ++j) hn::StoreU(out[j], d, v + (i * P + j) * stride + c);
    }
  }
}

// A 2x2 block of outputs with the epilogue; point k of column n is m[k * stride + n].
template <int R, typename T>
HWY_ATTR void output_tile(const T* m, std::int64_t stride, std::int64_t columns,
                          const WinogradOutput<T>& out) {
  constexpr int P = R + 1;
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Vector zero = hn::Zero(d);
  for (std::int64_t n = 0; n < columns; n += lanes) {
    Vector t[P][2], y[4];
#pragma GCC unroll 4
    for (int j = 0; j < P; ++j) {
      Vector column[P];
#pragma GCC unroll 4
      for (int i = 0; i < P; ++i) column[i] = hn::LoadU(d, m + (i * P + j) * stride + n);
      output_line<R>(column, t[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 2; ++i) {
      Vector row[P];
#pragma GCC unroll 4
      for (int j = 0; j < P; ++j) row[j] = t[j][i];
      output_line<R>(row, y + 2 * i);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (out.y[k] == nullptr) continue;
      Vector sum = y[k];
      if (out.scale != nullptr) sum = hn::Mul(sum, hn::LoadU(d, out.scale + n));
      if (out.shift != nullptr) sum = hn::Add(sum, hn::LoadU(d, out.shift + n));
      if (out.residual[k] != nullptr) sum = hn::Add(sum, hn::LoadU(d, out.residual[k] + n));
      if (out.relu) sum = hn::IfThenElse(hn::Lt(sum, zero), zero, sum);
      hn::StoreU(sum, d, out.y[k] + n);
    }
  }
}

void input_tile_f32(int taps, const float* const* pixels, std::int64_t channels, float* v,
                    std::int64_t stride) {
  taps == 3 ? input_tile<3>(pixels, channels, v, stride)
            : input_tile<2>(pixels, channels, v, stride);
}
void output_tile_f32(int taps, const float* m, std::int64_t stride, std::int64_t columns,
                     const WinogradOutput<float>& out) {
  taps == 3 ? output_tile<3>(m, stride, columns, out) : output_tile<2>(m, stride, columns, out);
}
void input_tile_f64(int taps, const double* const* pixels, std::int64_t channels, double* v,
                    std::int64_t stride) {
  taps == 3 ? input_tile<3>(pixels, channels, v, stride)
            : input_tile<2>(pixels, channels, v, stride);
}
void output_tile_f64(int taps, const double* m, std::int64_t stride, std::int64_t columns,
                     const WinogradOutput<double>& out) {
  taps == 3 ? output_tile<3>(m, stride, columns, out) : output_tile<2>(m, stride, columns, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(input_tile_f32);
HWY_EXPORT(input_tile_f64);
HWY_EXPORT(output_tile_f32);
HWY_EXPORT(output_tile_f64);

namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr std::int64_t kMostPoints = 16;

// One product: all of a 3x3 convolution, or one of the four phases of a 4x4 transposed convolution
// with stride 2, which are 2x2 convolutions. Along each axis, output i of the phase is pixel
// first + i * step of y and reads the pixels i + in_first, i + in_first + 1, .. of x, by the taps
// tap_first, tap_first + tap_step, .. of the weight.
struct PhaseAxis {
  std::int64_t extent, first, in_first, tap_first;
};
struct Phase {
  int taps;  // R
  std::int64_t step, tap_step;
  PhaseAxis row, col;
  [[nodiscard]] std::int64_t points() const { return (taps + 1) * (taps + 1); }
};

std::vector<Phase> phases_of(GatherDirection direction, const Conv2dParams& params,
                             std::int64_t out_rows, std::int64_t out_cols) {
  if (direction == GatherDirection::small_to_big) {
    return {{3, 1, 1, {out_rows, 0, -params.padding, 0}, {out_cols, 0, -params.padding, 0}}};
  }
  std::vector<Phase> phases;
  // With stride 2 and padding 1, big = 2 small - 1 + k: the even rows read k = 3 and 1 of the rows
  // above and at their own half, the odd ones k = 2 and 0 of the rows at and below it.
  const auto axis = [](std::int64_t extent, std::int64_t r) {
    return PhaseAxis{(extent - r + 1) / 2, r, r - 1, 3 - r};
  };
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < 2; ++c) {
      phases.push_back({2, 2, -2, axis(out_rows, r), axis(out_cols, c)});
    }
  }
  return phases;
}

template <typename T>
void transform_input(int taps, const T* const* pixels, std::int64_t channels, T* v,
                     std::int64_t stride) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(input_tile_f32)(taps, pixels, channels, v, stride);
  } else {
    HWY_DYNAMIC_DISPATCH(input_tile_f64)(taps, pixels, channels, v, stride);
  }
}

template <typename T>
void transform_output(int taps, const T* m, std::int64_t stride, std::int64_t columns,
                      const WinogradOutput<T>& out) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(output_tile_f32)(taps, m, stride, columns, out);
  } else {
    HWY_DYNAMIC_DISPATCH(output_tile_f64)(taps, m, stride, columns, out);
  }
}

// The blocks of 2x2 outputs of all images, and how they are cut into tasks.
struct Plan {
  Plan(const Phase& phase, ConstView x, ConstView y, std::int64_t panel)
      : tile_rows(divide_up(phase.row.extent, 2)),
        tile_cols(divide_up(phase.col.extent, 2)),
        tiles(y.dim(0) * tile_rows * tile_cols) {
    // The transformed pixels of a task, 16 * tiles * C, take 384 KiB in f32: half the usual
    // second-level cache, beside one panel's sums and weight.
    constexpr std::int64_t kTaskElements = 6144, kEnoughTasks = 16;
    const std::int64_t fit = kTaskElements / x.dim(3) / kGemmRows * kGemmRows;
    task_tiles = std::clamp(fit, 2 * kGemmRows, 16 * kGemmRows);
    tile_tasks = divide_up(tiles, task_tiles);
    const std::int64_t panels = divide_up(y.dim(3), panel);
    const std::int64_t splits = std::min(panels, divide_up(kEnoughTasks, tile_tasks));
    columns = divide_up(panels, splits) * panel;
    column_tasks = divide_up(y.dim(3), columns);
  }
  std::int64_t tile_rows, tile_cols, tiles;
  std::int64_t task_tiles, tile_tasks, columns, column_tasks;
};

template <typename T>
class Task {
 public:
  Task(const Exec& exec, const Phase& phase, const Plan& plan, ConstView x, const T* u,
       const ConvEpilogue& e, View y, const T* zeros)
      : phase_(phase),
        plan_(plan),
        x_(x),
        u_(u),
        epilogue_(e),
        y_(y),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        v_(exec, static_cast<std::size_t>(phase.points() * plan.task_tiles * x.dim(3))),
        m_(exec, static_cast<std::size_t>(phase.points() * plan.task_tiles * panel_)),
        a_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(plan_.tiles, begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += panel_) {
      const std::int64_t columns = std::min(panel_, end - n);
      for (std::int64_t point = 0; point < phase_.points(); ++point) multiply(point, n, columns);
      for (std::int64_t i = 0; i < count_; ++i) finish(i, n, columns);
    }
  }

 private:
  struct Place {
    std::int64_t image, row, col;  // of the block's first output
  };
  [[nodiscard]] Place place(std::int64_t i) const {
    const std::int64_t tile = begin_ + i, per_image = plan_.tile_rows * plan_.tile_cols;
    return {tile / per_image, tile % per_image / plan_.tile_cols * 2, tile % plan_.tile_cols * 2};
  }

  void transform_pixels(std::int64_t i) {
    const Place at = place(i);
    const std::int64_t rows = x_.dim(1), cols = x_.dim(2), channels = x_.dim(3);
    const T* image = x_.data<T>() + at.image * rows * cols * channels;
    const T* pixels[kMostPoints];
    const std::int64_t side = phase_.taps + 1;
    for (std::int64_t k = 0; k < phase_.points(); ++k) {
      const std::int64_t r = at.row + phase_.row.in_first + k / side;
      const std::int64_t c = at.col + phase_.col.in_first + k % side;
      const bool inside = r >= 0 && r < rows && c >= 0 && c < cols;
      pixels[k] = inside ? image + (r * cols + c) * channels : zeros_;
    }
    transform_input(phase_.taps, pixels, channels, v_.data() + i * channels,
                    plan_.task_tiles * channels);
  }

  // m(point)[tile][column] = v(point)[tile][c] u(point)[c][n + column]
  void multiply(std::int64_t point, std::int64_t n, std::int64_t columns) {
    const std::int64_t channels = x_.dim(3);
    for (std::int64_t i = 0; i < divide_up(count_, kGemmRows) * kGemmRows; ++i) {
      const std::int64_t row = point * plan_.task_tiles + std::min(i, count_ - 1);
      a_rows_[static_cast<std::size_t>(i)] = v_.data() + row * channels;
      m_rows_[static_cast<std::size_t>(i)] = m_.data() + row * panel_;
    }
    GemmBlock<T> block;
    block.a = a_rows_.data();
    block.rows = count_;
    block.taps = 1;
    block.channels = channels;
    block.b = u_ + point * gemm_packed_numel<T>(channels, y_.dim(3)) + n * channels;
    block.y = m_rows_.data();
    block.column_end = columns;
    gemm_block(block);
  }

  void finish(std::int64_t i, std::int64_t n, std::int64_t columns) {
    const Place at = place(i);
    WinogradOutput<T> out{};
    out.scale = epilogue_.scale ? epilogue_.scale.data<T>() + n : nullptr;
    out.shift = epilogue_.shift ? epilogue_.shift.data<T>() + n : nullptr;
    out.relu = epilogue_.relu;
    for (std::int64_t k = 0; k < 4; ++k) {
      if (at.row + k / 2 >= phase_.row.extent || at.col + k % 2 >= phase_.col.extent) continue;
      const std::int64_t r = phase_.row.first + (at.row + k / 2) * phase_.step;
      const std::int64_t c = phase_.col.first + (at.col + k % 2) * phase_.step;
      const std::int64_t offset = ((at.image * y_.dim(1) + r) * y_.dim(2) + c) * y_.dim(3) + n;
      out.y[k] = y_.data<T>() + offset;
      out.residual[k] = epilogue_.residual ? epilogue_.residual.data<T>() + offset : nullptr;
    }
    transform_output(phase_.taps, m_.data() + i * panel_, plan_.task_tiles * panel_, columns, out);
  }

  const Phase& phase_;
  const Plan& plan_;
  ConstView x_;
  const T* u_;
  const ConvEpilogue& epilogue_;
  View y_;
  const T* zeros_;
  std::int64_t panel_, begin_ = 0, count_ = 0;
  Scratch<T> v_, m_;  // [points][task_tiles][C] and [..][panel]
  Scratch<const T*> a_rows_;
  Scratch<T*> m_rows_;
};

// The weight's side of F(2, R) along one axis.
template <typename T>
void weight_line(int taps, const T* g, T* out) {
  if (taps == 3) {
    out[0] = g[0];
    out[1] = T(0.5) * (g[0] + g[1] + g[2]);
    out[2] = T(0.5) * (g[0] - g[1] + g[2]);
    out[3] = g[2];
  } else {
    out[0] = g[0];
    out[1] = g[0] + g[1];
    out[2] = g[1];
  }
}

// One pair of channels: element (ky, kx) of the filter is g[(ky * side + kx) * g_stride].
template <typename T>
void transform_weight(const Phase& phase, const T* g, std::int64_t side, std::int64_t g_stride,
                      T* u, std::int64_t u_stride) {
  const int taps = phase.taps, points = taps + 1;
  T t[4][4], in[4], out[4];  // t[column point][row tap]
  for (int i = 0; i < taps; ++i) {
    for (int j = 0; j < taps; ++j) {
      const std::int64_t ky = phase.row.tap_first + i * phase.tap_step;
      const std::int64_t kx = phase.col.tap_first + j * phase.tap_step;
      in[j] = g[(ky * side + kx) * g_stride];
    }
    weight_line(taps, in, out);
    for (int j = 0; j < points; ++j) t[j][i] = out[j];
  }
  for (int j = 0; j < points; ++j) {
    weight_line(taps, t[j], out);
    for (int i = 0; i < points; ++i) u[(points * i + j) * u_stride] = out[i];
  }
}

template <typename T>
void pack_phase(const Exec& exec, const Phase& phase, ConstView weight, T* packed) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(3), pairs = outputs * inputs;
  const std::int64_t side = weight.dim(1), filter = side * side * inputs;
  const Scratch<T> u(exec, static_cast<std::size_t>(phase.points() * pairs));
  parallel_for(outputs, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * inputs; i < end * inputs; ++i) {
      const T* g = weight.data<T>() + i / inputs * filter + i % inputs;
      transform_weight(phase, g, side, inputs, u.data() + i, pairs);
    }
  });
  const std::int64_t numel = gemm_packed_numel<T>(inputs, outputs);
  for (std::int64_t point = 0; point < phase.points(); ++point) {
    const std::int64_t offset = point * pairs;
    gemm_pack<T>({.data = u.data(),
                  .tap_offset = &offset,
                  .taps = 1,
                  .channels = inputs,
                  .columns = outputs,
                  .c_stride = 1,
                  .n_stride = inputs},
                 packed + point * numel);
  }
}

}  // namespace

// Beyond 256 x 256 channels the transformed weight, about twice the plain one, is more than the
// caches hold, and the small maps that such layers work on do not pay for reading it.
bool winograd_pays(GatherDirection direction, const Shape& w, const Conv2dParams& p) {
  const bool conv = direction == GatherDirection::small_to_big;
  const std::int64_t side = conv ? 3 : 4;
  const bool fits = conv ? p.stride == 1 : p.stride == 2 && p.padding == 1;
  return fits && w[1] == side && w[2] == side && p.dilation == 1 && p.groups == 1 &&
         w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 && w[3] >= 32 && w[0] * w[3] <= 256 * 256;
}

std::int64_t winograd_packed_numel(GatherDirection direction, const Shape& w, DType dtype) {
  const std::int64_t points = direction == GatherDirection::small_to_big ? 16 : 4 * 9;
  return points *
         visit_floating(dtype, [&]<typename T>() { return gemm_packed_numel<T>(w[3], w[0]); });
}

void winograd_pack(const Exec& exec, GatherDirection direction, ConstView weight, View packed) {
  visit_floating(packed.dtype, [&]<typename T>() {
    T* to = packed.data<T>();
    for (const Phase& phase : phases_of(direction, {}, 0, 0)) {
      pack_phase(exec, phase, weight, to);
      to += phase.points() * gemm_packed_numel<T>(weight.dim(3), weight.dim(0));
    }
  });
}

void winograd_forward(const Exec& exec, GatherDirection direction, ConstView x, ConstView packed,
                      const ConvEpilogue& epilogue, const Conv2dParams& params, View y) {
  if (y.numel() == 0) return;
  visit_floating(y.dtype, [&]<typename T>() {
    const Scratch<T> zeros(exec, static_cast<std::size_t>(x.dim(3)));
    std::fill_n(zeros.data(), x.dim(3), T(0));
    const T* u = packed.data<T>();
    for (const Phase& phase : phases_of(direction, params, y.dim(1), y.dim(2))) {
      const Plan plan(phase, x, y, gemm_widths<T>().panel);
      parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
        Task<T> task(exec, phase, plan, x, u, epilogue, y, zeros.data());
        task.run(i % plan.tile_tasks, i / plan.tile_tasks);
      });
      u += phase.points() * gemm_packed_numel<T>(x.dim(3), y.dim(3));
    }
  });
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
