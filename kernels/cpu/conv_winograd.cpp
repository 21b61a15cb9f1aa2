#include "kernels/cpu/conv_winograd.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_winograd_simd.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

// One product: all of a 3x3 convolution, or one of the four phases of a 4x4 transposed convolution
// with stride 2, which are 2x2 convolutions. Along each axis, output i of the phase is pixel
// first + i * step of y and reads the pixels i + in_first, i + in_first + 1, .. of x, by the taps
// tap_first, tap_first + tap_step, .. of the weight.
struct PhaseAxis {
  std::int64_t extent, first, in_first, tap_first;
};
struct Phase {
  WinogradForm form;
  std::int64_t step, tap_step;
  PhaseAxis row, col;
};

// F(4,3) makes 16 outputs by 36 products in place of 144, but its weight is 4 times the plain one:
// beyond 128 x 128 channels that is more than the second-level cache holds, and must be read often
// to pay. F(2,3) needs 64 products and 1.8 times the weight.
WinogradForm form_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params) {
  if (pass == WinogradPass::conv_transpose) return {2, 2};
  const std::int64_t most = params.pixels >= 1024  ? 256 * 256
                            : params.pixels >= 256 ? 192 * 192
                                                   : 128 * 128;
  return weight[0] * weight[3] <= most ? WinogradForm{4, 3} : WinogradForm{2, 3};
}

std::vector<Phase> phases_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params,
                             std::int64_t out_rows, std::int64_t out_cols) {
  const WinogradForm form = form_of(pass, weight, params);
  const auto whole = [&](std::int64_t in_first, std::int64_t tap_first, std::int64_t tap_step) {
    return std::vector<Phase>{{form,
                               1,
                               tap_step,
                               {out_rows, 0, in_first, tap_first},
                               {out_cols, 0, in_first, tap_first}}};
  };
  if (pass == WinogradPass::conv) return whole(-params.padding, 0, 1);
  if (pass == WinogradPass::conv_input_grad) return whole(params.padding - 2, 2, -1);
  std::vector<Phase> phases;
  // With stride 2 and padding 1, big = 2 small - 1 + k: the even rows read k = 3 and 1 of the rows
  // above and at their own half, the odd ones k = 2 and 0 of the rows at and below it.
  const auto axis = [](std::int64_t extent, std::int64_t r) {
    return PhaseAxis{(extent - r + 1) / 2, r, r - 1, 3 - r};
  };
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < 2; ++c) {
      phases.push_back({form, 2, -2, axis(out_rows, r), axis(out_cols, c)});
    }
  }
  return phases;
}

// Channels that the product sums over, and that it makes.
struct Widths {
  std::int64_t channels, columns;
};
Widths widths_of(WinogradPass pass, const Shape& weight) {
  return pass == WinogradPass::conv_input_grad ? Widths{weight[0], weight[3]}
                                               : Widths{weight[3], weight[0]};
}

// The blocks of outputs of all images, and how they are cut into tasks.
struct Plan {
  Plan(const Phase& phase, ConstView x, ConstView y, std::int64_t panel)
      : tile_rows(divide_up(phase.row.extent, phase.form.outputs)),
        tile_cols(divide_up(phase.col.extent, phase.form.outputs)),
        tiles(y.dim(0) * tile_rows * tile_cols) {
    // A task's transformed pixels and the products of one panel take 512 KiB in f32, half the usual
    // second-level cache; the other half is for the weight. Small maps make tasks of equal size.
    constexpr std::int64_t kTaskElements = 128 * 1024, kEnoughTasks = 16, kEvenTasks = 8;
    const std::int64_t width = x.dim(3) + std::min(panel, y.dim(3));
    const std::int64_t fit = kTaskElements / (phase.form.points() * width);
    const std::int64_t even = round_up(divide_up(tiles, kEvenTasks), kGemmRows);
    task_tiles =
        std::clamp(std::min(fit / kGemmRows * kGemmRows, even), 2 * kGemmRows, 16 * kGemmRows);
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
        m_stride_(std::min(panel_, y.dim(3))),
        v_(exec, static_cast<std::size_t>(phase.form.points() * plan.task_tiles * x.dim(3))),
        m_(exec, static_cast<std::size_t>(phase.form.points() * plan.task_tiles * m_stride_)),
        a_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(plan_.tiles, begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += panel_) {
      const std::int64_t columns = std::min(panel_, end - n);
      for (std::int64_t point = 0; point < phase_.form.points(); ++point)
        multiply(point, n, columns);
      for (std::int64_t i = 0; i < count_; ++i) finish(i, n, columns);
    }
  }

 private:
  struct Place {
    std::int64_t image, row, col;  // of the block's first output
  };
  [[nodiscard]] Place place(std::int64_t i) const {
    const std::int64_t tile = begin_ + i, per_image = plan_.tile_rows * plan_.tile_cols;
    const std::int64_t side = phase_.form.outputs;
    return {tile / per_image, tile % per_image / plan_.tile_cols * side,
            tile % plan_.tile_cols * side};
  }

  void transform_pixels(std::int64_t i) {
    const Place at = place(i);
    const std::int64_t rows = x_.dim(1), cols = x_.dim(2), channels = x_.dim(3);
    const T* image = x_.data<T>() + at.image * rows * cols * channels;
    const T* pixels[kMostWinogradSide * kMostWinogradSide];
    const std::int64_t side = phase_.form.side();
    for (std::int64_t k = 0; k < phase_.form.points(); ++k) {
      const std::int64_t r = at.row + phase_.row.in_first + k / side;
      const std::int64_t c = at.col + phase_.col.in_first + k % side;
      const bool inside = r >= 0 && r < rows && c >= 0 && c < cols;
      pixels[k] = inside ? image + (r * cols + c) * channels : zeros_;
    }
    winograd_input(phase_.form, pixels, channels, v_.data() + i * channels,
                   plan_.task_tiles * channels);
  }

  // m(point)[tile][column] = v(point)[tile][c] u(point)[c][n + column]
  void multiply(std::int64_t point, std::int64_t n, std::int64_t columns) {
    const std::int64_t channels = x_.dim(3);
    for (std::int64_t i = 0; i < divide_up(count_, kGemmRows) * kGemmRows; ++i) {
      const std::int64_t row = point * plan_.task_tiles + std::min(i, count_ - 1);
      a_rows_[static_cast<std::size_t>(i)] = v_.data() + row * channels;
      m_rows_[static_cast<std::size_t>(i)] = m_.data() + row * m_stride_;
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
    const std::int64_t side = phase_.form.outputs;
    for (std::int64_t k = 0; k < side * side; ++k) {
      const std::int64_t row = at.row + k / side, col = at.col + k % side;
      if (row >= phase_.row.extent || col >= phase_.col.extent) continue;
      const std::int64_t r = phase_.row.first + row * phase_.step;
      const std::int64_t c = phase_.col.first + col * phase_.step;
      const std::int64_t offset = ((at.image * y_.dim(1) + r) * y_.dim(2) + c) * y_.dim(3) + n;
      out.y[k] = y_.data<T>() + offset;
      out.residual[k] = epilogue_.residual ? epilogue_.residual.data<T>() + offset : nullptr;
    }
    winograd_output(phase_.form, m_.data() + i * m_stride_, plan_.task_tiles * m_stride_, columns,
                    out);
  }

  const Phase& phase_;
  const Plan& plan_;
  ConstView x_;
  const T* u_;
  const ConvEpilogue& epilogue_;
  View y_;
  const T* zeros_;
  std::int64_t panel_, m_stride_, begin_ = 0, count_ = 0;
  Scratch<T> v_, m_;  // [points][task_tiles][C] and [..][m_stride]
  Scratch<const T*> a_rows_;
  Scratch<T*> m_rows_;
};

// u [points][O][I] of one phase, from the weight [O, side, side, I].
template <typename T>
void transform_weight(const Phase& phase, ConstView weight, T* u) {
  const std::int64_t outputs = weight.dim(0), side = weight.dim(1), inputs = weight.dim(3);
  const int taps = phase.form.taps;
  parallel_for(outputs, 8, [&](std::int64_t begin, std::int64_t end) {
    const T* rows[kMostWinogradSide * kMostWinogradSide];
    for (std::int64_t o = begin; o < end; ++o) {
      const T* filter = weight.data<T>() + o * side * side * inputs;
      for (int k = 0; k < taps * taps; ++k) {
        const std::int64_t ky = phase.row.tap_first + k / taps * phase.tap_step;
        const std::int64_t kx = phase.col.tap_first + k % taps * phase.tap_step;
        rows[k] = filter + (ky * side + kx) * inputs;
      }
      winograd_weight(phase.form, rows, inputs, u + o * inputs, outputs * inputs);
    }
  });
}

template <typename T>
void pack_phase(const Exec& exec, const Phase& phase, WinogradPass pass, ConstView weight,
                T* packed) {
  const std::int64_t inputs = weight.dim(3), pairs = weight.dim(0) * inputs;
  const Scratch<T> u(exec, static_cast<std::size_t>(phase.form.points() * pairs));
  transform_weight(phase, weight, u.data());
  const bool sums_inputs = pass != WinogradPass::conv_input_grad;
  const Widths widths = widths_of(pass, weight.shape);
  const std::int64_t numel = gemm_packed_numel<T>(widths.channels, widths.columns);
  for (std::int64_t point = 0; point < phase.form.points(); ++point) {
    const std::int64_t offset = point * pairs;
    gemm_pack<T>({.data = u.data(),
                  .tap_offset = &offset,
                  .taps = 1,
                  .channels = widths.channels,
                  .columns = widths.columns,
                  .c_stride = sums_inputs ? 1 : inputs,
                  .n_stride = sums_inputs ? inputs : 1},
                 packed + point * numel);
  }
}

}  // namespace

// Beyond 256 x 256 channels the transformed weight is more than the caches hold: then it must be
// read often to pay.
bool winograd_pays(WinogradPass pass, const Shape& w, const Conv2dParams& p) {
  const bool transposed = pass == WinogradPass::conv_transpose;
  const std::int64_t side = transposed ? 4 : 3;
  const bool fits = transposed ? p.stride == 2 && p.padding == 1 : p.stride == 1 && p.padding <= 2;
  return p.winograd && fits && w[1] == side && w[2] == side && p.dilation == 1 && p.groups == 1 &&
         w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 && w[3] >= 32 &&
         w[0] * w[3] <= (p.pixels >= 256 ? 512 * 1024 : 256 * 256);
}

std::int64_t winograd_packed_numel(WinogradPass pass, const Shape& w, DType dtype,
                                   const Conv2dParams& params) {
  const std::int64_t phases = pass == WinogradPass::conv_transpose ? 4 : 1;
  const Widths widths = widths_of(pass, w);
  return phases * form_of(pass, w, params).points() * visit_floating(dtype, [&]<typename T>() {
           return gemm_packed_numel<T>(widths.channels, widths.columns);
         });
}

void winograd_pack(const Exec& exec, WinogradPass pass, ConstView weight,
                   const Conv2dParams& params, View packed) {
  const Widths widths = widths_of(pass, weight.shape);
  visit_floating(packed.dtype, [&]<typename T>() {
    T* to = packed.data<T>();
    for (const Phase& phase : phases_of(pass, weight.shape, params, 0, 0)) {
      pack_phase(exec, phase, pass, weight, to);
      to += phase.form.points() * gemm_packed_numel<T>(widths.channels, widths.columns);
    }
  });
}

void winograd_product(const Exec& exec, WinogradPass pass, ConstView in, const Shape& weight,
                      ConstView packed, const ConvEpilogue& epilogue, const Conv2dParams& params,
                      View out) {
  if (out.numel() == 0) return;
  visit_floating(out.dtype, [&]<typename T>() {
    const Scratch<T> zeros(exec, static_cast<std::size_t>(in.dim(3)));
    std::fill_n(zeros.data(), in.dim(3), T(0));
    const T* u = packed.data<T>();
    for (const Phase& phase : phases_of(pass, weight, params, out.dim(1), out.dim(2))) {
      const Plan plan(phase, in, out, gemm_widths<T>().panel);
      parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
        Task<T> task(exec, phase, plan, in, u, epilogue, out, zeros.data());
        task.run(i % plan.tile_tasks, i / plan.tile_tasks);
      });
      u += phase.form.points() * gemm_packed_numel<T>(in.dim(3), out.dim(3));
    }
  });
}

}  // namespace akimbo::kernels::cpu
