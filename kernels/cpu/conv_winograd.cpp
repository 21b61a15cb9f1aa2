#include "kernels/cpu/conv_winograd.h"

#include <algorithm>
#include <cstddef>

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

// V = B^T d B over a 4x4 block d of pixels; element xi of channel c goes to v[xi * stride + c].
template <typename T>
HWY_ATTR void input_tile(const T* const* pixels, std::int64_t channels, T* v, std::int64_t stride) {
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Vector t[4][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vector d0 = hn::LoadU(d, pixels[j] + c), d1 = hn::LoadU(d, pixels[4 + j] + c);
      const Vector d2 = hn::LoadU(d, pixels[8 + j] + c), d3 = hn::LoadU(d, pixels[12 + j] + c);
      t[0][j] = hn::Sub(d0, d2);
      t[1][j] = hn::Add(d1, d2);
      t[2][j] = hn::Sub(d2, d1);
      t[3][j] = hn::Sub(d1, d3);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      T* to = v + 4 * i * stride + c;
      hn::StoreU(hn::Sub(t[i][0], t[i][2]), d, to);
      hn::StoreU(hn::Add(t[i][1], t[i][2]), d, to + stride);
      hn::StoreU(hn::Sub(t[i][2], t[i][1]), d, to + 2 * stride);
      hn::StoreU(hn::Sub(t[i][1], t[i][3]), d, to + 3 * stride);
    }
  }
}

// y = A^T m A with the epilogue; element xi of column n is m[xi * stride + n].
template <typename T>
HWY_ATTR void output_tile(const T* m, std::int64_t stride, std::int64_t columns,
                          const WinogradOutput<T>& out) {
  const hn::ScalableTag<T> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Vector zero = hn::Zero(d);
  for (std::int64_t n = 0; n < columns; n += lanes) {
    Vector t[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const T* from = m + j * stride + n;
      const Vector m1 = hn::LoadU(d, from + 4 * stride), m2 = hn::LoadU(d, from + 8 * stride);
      t[0][j] = hn::Add(hn::LoadU(d, from), hn::Add(m1, m2));
      t[1][j] = hn::Sub(hn::Sub(m1, m2), hn::LoadU(d, from + 12 * stride));
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (out.y[k] == nullptr) continue;
      const Vector* r = t[k / 2];
      Vector sum =
          k % 2 == 0 ? hn::Add(r[0], hn::Add(r[1], r[2])) : hn::Sub(hn::Sub(r[1], r[2]), r[3]);
      if (out.scale != nullptr) sum = hn::Mul(sum, hn::LoadU(d, out.scale + n));
      if (out.shift != nullptr) sum = hn::Add(sum, hn::LoadU(d, out.shift + n));
      if (out.residual[k] != nullptr) sum = hn::Add(sum, hn::LoadU(d, out.residual[k] + n));
      if (out.relu) sum = hn::IfThenElse(hn::Lt(sum, zero), zero, sum);
      hn::StoreU(sum, d, out.y[k] + n);
    }
  }
}

void input_tile_f32(const float* const* pixels, std::int64_t channels, float* v,
                    std::int64_t stride) {
  input_tile(pixels, channels, v, stride);
}
void input_tile_f64(const double* const* pixels, std::int64_t channels, double* v,
                    std::int64_t stride) {
  input_tile(pixels, channels, v, stride);
}
void output_tile_f32(const float* m, std::int64_t stride, std::int64_t columns,
                     const WinogradOutput<float>& out) {
  output_tile(m, stride, columns, out);
}
void output_tile_f64(const double* m, std::int64_t stride, std::int64_t columns,
                     const WinogradOutput<double>& out) {
  output_tile(m, stride, columns, out);
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

constexpr std::int64_t kPoints = 16;  // of the 4x4 transform

template <typename T>
void transform_input(const T* const* pixels, std::int64_t channels, T* v, std::int64_t stride) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(input_tile_f32)(pixels, channels, v, stride);
  } else {
    HWY_DYNAMIC_DISPATCH(input_tile_f64)(pixels, channels, v, stride);
  }
}

template <typename T>
void transform_output(const T* m, std::int64_t stride, std::int64_t columns,
                      const WinogradOutput<T>& out) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(output_tile_f32)(m, stride, columns, out);
  } else {
    HWY_DYNAMIC_DISPATCH(output_tile_f64)(m, stride, columns, out);
  }
}

// The blocks of 2x2 outputs of all images, and how they are cut into tasks.
struct Plan {
  Plan(ConstView x, ConstView y, std::int64_t panel)
      : tile_rows(divide_up(y.dim(1), 2)),
        tile_cols(divide_up(y.dim(2), 2)),
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
  Task(const Exec& exec, const Plan& plan, ConstView x, ConstView packed, const ConvEpilogue& e,
       std::int64_t padding, View y, const T* zeros)
      : plan_(plan),
        x_(x),
        u_(packed.data<T>()),
        epilogue_(e),
        padding_(padding),
        y_(y),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        v_(exec, static_cast<std::size_t>(kPoints * plan.task_tiles * x.dim(3))),
        m_(exec, static_cast<std::size_t>(kPoints * plan.task_tiles * panel_)),
        a_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(plan_.tiles, begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += panel_) {
      const std::int64_t columns = std::min(panel_, end - n);
      for (std::int64_t point = 0; point < kPoints; ++point) multiply(point, n, columns);
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
    const T* pixels[kPoints];
    for (std::int64_t k = 0; k < kPoints; ++k) {
      const std::int64_t r = at.row - padding_ + k / 4, c = at.col - padding_ + k % 4;
      const bool inside = r >= 0 && r < rows && c >= 0 && c < cols;
      pixels[k] = inside ? image + (r * cols + c) * channels : zeros_;
    }
    transform_input(pixels, channels, v_.data() + i * channels, plan_.task_tiles * channels);
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
      const std::int64_t r = at.row + k / 2, c = at.col + k % 2;
      if (r >= y_.dim(1) || c >= y_.dim(2)) continue;
      const std::int64_t offset = ((at.image * y_.dim(1) + r) * y_.dim(2) + c) * y_.dim(3) + n;
      out.y[k] = y_.data<T>() + offset;
      out.residual[k] = epilogue_.residual ? epilogue_.residual.data<T>() + offset : nullptr;
    }
    transform_output(m_.data() + i * panel_, plan_.task_tiles * panel_, columns, out);
  }

  const Plan& plan_;
  ConstView x_;
  const T* u_;
  const ConvEpilogue& epilogue_;
  std::int64_t padding_;
  View y_;
  const T* zeros_;
  std::int64_t panel_, begin_ = 0, count_ = 0;
  Scratch<T> v_, m_;  // [kPoints][task_tiles][C] and [..][panel]
  Scratch<const T*> a_rows_;
  Scratch<T*> m_rows_;
};

// U = G g G^T for one pair of channels; element (ky, kx) of g is g[(ky * 3 + kx) * stride].
template <typename T>
void transform_weight(const T* g, std::int64_t stride, T* u, std::int64_t u_stride) {
  const auto line = [](T a, T b, T c, T* out) {
    out[0] = a;
    out[1] = T(0.5) * (a + b + c);
    out[2] = T(0.5) * (a - b + c);
    out[3] = c;
  };
  T t[3][4], column[4];
  for (int k = 0; k < 3; ++k) {
    line(g[3 * k * stride], g[(3 * k + 1) * stride], g[(3 * k + 2) * stride], t[k]);
  }
  for (int j = 0; j < 4; ++j) {
    line(t[0][j], t[1][j], t[2][j], column);
    for (int i = 0; i < 4; ++i) u[(4 * i + j) * u_stride] = column[i];
  }
}

}  // namespace

// Beyond 256 x 256 channels the transformed weight, 16/9 of the plain one, is more than the caches
// hold, and the small maps that such layers work on do not pay for reading it.
bool winograd_pays(const Shape& w, const Conv2dParams& p) {
  return w[1] == 3 && w[2] == 3 && p.stride == 1 && p.dilation == 1 && p.groups == 1 &&
         w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 && w[3] >= 32 && w[0] * w[3] <= 256 * 256;
}

std::int64_t winograd_packed_numel(const Shape& w, DType dtype) {
  return kPoints *
         visit_floating(dtype, [&]<typename T>() { return gemm_packed_numel<T>(w[3], w[0]); });
}

void winograd_pack(const Exec& exec, ConstView weight, View packed) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(3), pairs = outputs * inputs;
  visit_floating(packed.dtype, [&]<typename T>() {
    const Scratch<T> u(exec, static_cast<std::size_t>(kPoints * pairs));
    parallel_for(outputs, 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * inputs; i < end * inputs; ++i) {
        const T* g = weight.data<T>() + i / inputs * 9 * inputs + i % inputs;
        transform_weight(g, inputs, u.data() + i, pairs);
      }
    });
    const std::int64_t numel = gemm_packed_numel<T>(inputs, outputs);
    for (std::int64_t point = 0; point < kPoints; ++point) {
      const std::int64_t offset = point * pairs;
      gemm_pack<T>({.data = u.data(),
                    .tap_offset = &offset,
                    .taps = 1,
                    .channels = inputs,
                    .columns = outputs,
                    .c_stride = 1,
                    .n_stride = inputs},
                   packed.data<T>() + point * numel);
    }
  });
}

void winograd_forward(const Exec& exec, ConstView x, ConstView packed, const ConvEpilogue& epilogue,
                      const Conv2dParams& params, View y) {
  if (y.numel() == 0) return;
  visit_floating(y.dtype, [&]<typename T>() {
    const Plan plan(x, y, gemm_widths<T>().panel);
    const Scratch<T> zeros(exec, static_cast<std::size_t>(x.dim(3)));
    std::fill_n(zeros.data(), x.dim(3), T(0));
    parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
      Task<T> task(exec, plan, x, packed, epilogue, params.padding, y, zeros.data());
      task.run(i % plan.tile_tasks, i / plan.tile_tasks);
    });
  });
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
