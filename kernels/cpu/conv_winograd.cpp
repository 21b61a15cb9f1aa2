#include "kernels/cpu/conv_winograd.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_winograd_phases.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

// F(4,3) makes 16 outputs by 36 products in place of 144, but its weight is 4 times the plain one:
// beyond 128 x 128 channels that is more than the second-level cache holds, and must be read often
// to pay. F(2,3) needs 64 products and 1.8 times the weight. Likewise F(4,2), 25 products in place
// of 64 and 6.3 times the weight, and F(2,2), 36 and 2.3 times.
WinogradForm form_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params) {
  if (pass == WinogradPass::conv_transpose) {
    const bool often = params.pixels >= 512 && weight[0] * weight[3] <= 256 * 256;
    return often ? WinogradForm{4, 2} : WinogradForm{2, 2};
  }
  const std::int64_t most = params.pixels >= 1024  ? 256 * 256
                            : params.pixels >= 256 ? 192 * 192
                                                   : 128 * 128;
  return weight[0] * weight[3] <= most ? WinogradForm{4, 3} : WinogradForm{2, 3};
}

std::vector<WinogradPhase> phases_of(WinogradPass pass, const Shape& weight,
                                     const Conv2dParams& params, std::int64_t out_rows,
                                     std::int64_t out_cols) {
  return winograd_phases(pass, form_of(pass, weight, params), params.padding, out_rows, out_cols);
}

// Channels that the product sums over, and that it makes.
struct Widths {
  std::int64_t channels, columns;
};
Widths widths_of(WinogradPass pass, const Shape& weight) {
  return pass == WinogradPass::conv_input_grad ? Widths{weight[0], weight[3]}
                                               : Widths{weight[3], weight[0]};
}

// How the blocks of outputs are cut into tasks.
struct Plan {
  Plan(const WinogradForm& form, std::int64_t tiles, std::int64_t inputs, std::int64_t outputs,
       std::int64_t panel) {
    // A task's transformed pixels and the products of one panel take 512 KiB in f32, half the usual
    // second-level cache; the other half is for the weight. Small maps make tasks of equal size.
    constexpr std::int64_t kTaskElements = 128 * 1024, kEnoughTasks = 16, kEvenTasks = 8;
    const std::int64_t width = inputs + std::min(panel, outputs);
    const std::int64_t fit = kTaskElements / (form.points() * width);
    const std::int64_t even = round_up(divide_up(tiles, kEvenTasks), kGemmRows);
    task_tiles =
        std::clamp(std::min(fit / kGemmRows * kGemmRows, even), 2 * kGemmRows, 16 * kGemmRows);
    tile_tasks = divide_up(tiles, task_tiles);
    const std::int64_t panels = divide_up(outputs, panel);
    const std::int64_t splits = std::min(panels, divide_up(kEnoughTasks, tile_tasks));
    columns = divide_up(panels, splits) * panel;
    column_tasks = divide_up(outputs, columns);
  }
  std::int64_t task_tiles, tile_tasks, columns, column_tasks;
};

template <typename T>
class Task {
 public:
  Task(const Exec& exec, const WinogradForm& form, const WinogradTiles& tiles, const Plan& plan,
       std::int64_t channels, const T* u, const ConvEpilogue& e, View y, const T* zeros)
      : form_(form),
        tiles_(tiles),
        plan_(plan),
        channels_(channels),
        u_(u),
        epilogue_(e),
        y_(y),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        m_stride_(std::min(panel_, y.dim(3))),
        v_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * channels)),
        m_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * m_stride_)),
        a_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(tiles_.count(), begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += panel_) {
      const std::int64_t columns = std::min(panel_, end - n);
      for (std::int64_t point = 0; point < form_.points(); ++point) multiply(point, n, columns);
      for (std::int64_t i = 0; i < count_; ++i) {
        winograd_output(form_, m_.data() + i * m_stride_, plan_.task_tiles * m_stride_, columns,
                        tiles_.outputs<T>(begin_ + i, n, epilogue_));
      }
    }
  }

 private:
  void transform_pixels(std::int64_t i) {
    const T* pixels[kMostWinogradSide * kMostWinogradSide];
    tiles_.pixels(begin_ + i, zeros_, pixels);
    winograd_input(form_, pixels, channels_, v_.data() + i * channels_,
                   plan_.task_tiles * channels_);
  }

  // m(point)[tile][column] = v(point)[tile][c] u(point)[c][n + column]
  void multiply(std::int64_t point, std::int64_t n, std::int64_t columns) {
    for (std::int64_t i = 0; i < divide_up(count_, kGemmRows) * kGemmRows; ++i) {
      const std::int64_t row = point * plan_.task_tiles + std::min(i, count_ - 1);
      a_rows_[static_cast<std::size_t>(i)] = v_.data() + row * channels_;
      m_rows_[static_cast<std::size_t>(i)] = m_.data() + row * m_stride_;
    }
    GemmBlock<T> block;
    block.a = a_rows_.data();
    block.rows = count_;
    block.taps = 1;
    block.channels = channels_;
    block.b = u_ + point * gemm_packed_numel<T>(channels_, y_.dim(3)) + n * channels_;
    block.y = m_rows_.data();
    block.column_end = columns;
    gemm_block(block);
  }

  const WinogradForm& form_;
  const WinogradTiles& tiles_;
  const Plan& plan_;
  std::int64_t channels_;
  const T* u_;
  const ConvEpilogue& epilogue_;
  View y_;
  const T* zeros_;
  std::int64_t panel_, m_stride_, begin_ = 0, count_ = 0;
  Scratch<T> v_, m_;  // [points][task_tiles][C] and [..][m_stride]
  Scratch<const T*> a_rows_;
  Scratch<T*> m_rows_;
};

template <typename T>
void pack_phase(const Exec& exec, const WinogradPhase& phase, WinogradPass pass, ConstView weight,
                T* packed) {
  const std::int64_t inputs = weight.dim(3), pairs = weight.dim(0) * inputs;
  const Scratch<T> u(exec, static_cast<std::size_t>(phase.form.points() * pairs));
  winograd_phase_weight(phase, weight, u.data());
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

// Beyond 256 x 256 channels the transformed weight, 1.8 to 2.3 times as large, is more than the
// caches hold: it pays unless there are a handful of pixels only.
bool winograd_pays(WinogradPass pass, const Shape& w, const Conv2dParams& p) {
  const bool transposed = pass == WinogradPass::conv_transpose;
  const std::int64_t side = transposed ? 4 : 3;
  const bool fits = transposed ? p.stride == 2 && p.padding == 1 : p.stride == 1 && p.padding <= 2;
  return p.winograd && fits && w[1] == side && w[2] == side && p.dilation == 1 && p.groups == 1 &&
         w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 && w[3] >= 32 &&
         w[0] * w[3] <= (p.pixels >= 32 ? 512 * 1024 : 256 * 256);
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
    for (const WinogradPhase& phase : phases_of(pass, weight.shape, params, 0, 0)) {
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
    for (const WinogradPhase& phase : phases_of(pass, weight, params, out.dim(1), out.dim(2))) {
      const WinogradTiles tiles(phase, in, out);
      const Plan plan(phase.form, tiles.count(), in.dim(3), out.dim(3), gemm_widths<T>().panel);
      parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
        Task<T> task(exec, phase.form, tiles, plan, in.dim(3), u, epilogue, out, zeros.data());
        task.run(i % plan.tile_tasks, i / plan.tile_tasks);
      });
      u += phase.form.points() * gemm_packed_numel<T>(in.dim(3), out.dim(3));
    }
  });
}

}  // namespace akimbo::kernels::cpu
