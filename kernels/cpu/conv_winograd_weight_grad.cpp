// Weight gradients by Winograd's algorithm. Blocks of one map take the filter's place, windows of
// the other that of the pixels; both are transformed, at each point
//   s[o][c] = sum over blocks: u[block][o] v[block][c]
// is one matrix product, and its transform gives the taps. A 3x3 convolution with stride 1 goes by
// F(3x3, 4x4): 4x4 blocks of grad_y, 6x6 windows of x. A 4x4 transposed convolution with stride 2
// is four products by F(2x2, 2x2), one for each phase of grad_y within the stride: 2x2 blocks of x,
// 3x3 windows of the phase.
#include <algorithm>
#include <vector>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/conv_winograd_simd.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kEnoughTasks = 16, kFewestSplitBlocks = 64;

// Along an axis: the window of the block that begins at near pixel i begins at far pixel
// i * far_step + far_first; tap t of the result is tap tap_first + t * tap_step of the weight.
struct PhaseAxis {
  std::int64_t far_first, tap_first;
};
struct Phase {
  PhaseAxis row, col;
};

struct Problem {
  WinogradForm form;  // of the windows; blocks are form.outputs pixels wide
  ConstView near, far;
  bool far_gives_rows;  // of the weight: far is grad_y
  std::int64_t far_step, tap_step;
  std::vector<Phase> phases;
  Shape weight;  // [O, side, side, C]
  // A task makes so many rows and columns of the weight: its sums take 576 KiB in f32 and stay in
  // the second-level cache, as do the transformed blocks that are summed in one go.
  std::int64_t task_width;
  std::int64_t depth;  // blocks that are summed in one go

  [[nodiscard]] std::int64_t row_width() const { return std::min(task_width, weight[0]); }
  [[nodiscard]] std::int64_t column_width() const { return std::min(task_width, weight[3]); }
};

// How the sum is cut: blocks into partial sums, the weight into tasks. It depends on the problem
// alone.
struct Cut {
  explicit Cut(const Problem& p)
      : block_rows(divide_up(p.near.dim(1), p.form.outputs)),
        block_cols(divide_up(p.near.dim(2), p.form.outputs)),
        blocks(p.near.dim(0) * block_rows * block_cols),
        row_tasks(divide_up(p.weight[0], p.task_width)),
        column_tasks(divide_up(p.weight[3], p.task_width)),
        phases(static_cast<std::int64_t>(p.phases.size())) {
    const std::int64_t wanted = divide_up(kEnoughTasks, row_tasks * column_tasks * phases);
    const std::int64_t parts = std::clamp<std::int64_t>(blocks / kFewestSplitBlocks, 1, wanted);
    split_blocks = divide_up(divide_up(blocks, parts), p.depth) * p.depth;
    splits = divide_up(blocks, split_blocks);
  }
  [[nodiscard]] std::int64_t tasks() const { return splits * row_tasks * column_tasks * phases; }
  std::int64_t block_rows, block_cols, blocks;
  std::int64_t row_tasks, column_tasks, phases, splits, split_blocks;
};

template <typename T>
class Task {
 public:
  Task(const Exec& exec, const Problem& problem, const Cut& cut, const T* zeros)
      : p_(problem),
        cut_(cut),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        points_(problem.form.points()),
        u_(exec, static_cast<std::size_t>(points_ * p_.depth * p_.row_width())),
        v_(exec, static_cast<std::size_t>(points_ * p_.depth * p_.column_width())),
        sums_(exec, static_cast<std::size_t>(points_ * p_.row_width() * p_.column_width())),
        a_rows_(exec, static_cast<std::size_t>(p_.row_width() + kGemmRows)),
        y_rows_(exec, static_cast<std::size_t>(p_.row_width() + kGemmRows)) {}

  // Writes its part of the partial sum `out`, shaped like the weight.
  void run(std::int64_t task, std::int64_t split, T* out) {
    phase_ = &p_.phases[static_cast<std::size_t>(task % cut_.phases)];
    task /= cut_.phases;
    row_ = task % cut_.row_tasks * p_.task_width;
    rows_ = std::min(p_.task_width, p_.weight[0] - row_);
    column_ = task / cut_.row_tasks * p_.task_width;
    columns_ = std::min(p_.task_width, p_.weight[3] - column_);
    const std::int64_t start = split * cut_.split_blocks;
    const std::int64_t end = std::min(cut_.blocks, start + cut_.split_blocks);
    for (std::int64_t begin = start; begin < end; begin += p_.depth) {
      depth_ = std::min(p_.depth, end - begin);
      for (std::int64_t i = 0; i < depth_; ++i) transform(begin + i, i);
      for (std::int64_t point = 0; point < points_; ++point) multiply(point, begin > start);
    }
    for (std::int64_t i = 0; i < rows_; ++i) write_taps(i, out);
  }

 private:
  // Block `block` becomes the i-th of this go.
  void transform(std::int64_t block, std::int64_t i) {
    const std::int64_t side = p_.form.outputs;
    col_at_ = block % cut_.block_cols * side;
    row_at_ = block / cut_.block_cols % cut_.block_rows * side;
    image_ = block / (cut_.block_cols * cut_.block_rows);
    transform_side(p_.far_gives_rows, row_, rows_, u_.data() + i * rows_, p_.depth * rows_);
    // As the product wants it: panels of columns, each [depth][width].
    for (std::int64_t n = 0; n < columns_; n += panel_) {
      const std::int64_t width = std::min(panel_, columns_ - n);
      transform_side(!p_.far_gives_rows, column_ + n, width, v_.data() + n * depth_ + i * width,
                     p_.depth * columns_);
    }
  }

  void transform_side(bool far, std::int64_t channel, std::int64_t channels, T* to,
                      std::int64_t stride) {
    const T* pixels[kMostWinogradSide * kMostWinogradSide];
    const WinogradForm& form = p_.form;
    if (far) {
      point_at(p_.far, row_at_ * p_.far_step + phase_->row.far_first,
               col_at_ * p_.far_step + phase_->col.far_first, p_.far_step, form.side(), channel,
               pixels);
      return winograd_input(form, pixels, channels, to, stride);
    }
    point_at(p_.near, row_at_, col_at_, 1, form.outputs, channel, pixels);
    if (form.taps == 3) return winograd_gradient(pixels, channels, to, stride);
    winograd_weight(form, pixels, channels, to, stride);  // F(2,2): block and taps alike
  }

  void point_at(ConstView map, std::int64_t row, std::int64_t col, std::int64_t step,
                std::int64_t side, std::int64_t channel, const T** pixels) const {
    const std::int64_t height = map.dim(1), width = map.dim(2), channels = map.dim(3);
    const T* picture = map.data<T>() + image_ * height * width * channels + channel;
    for (std::int64_t i = 0; i < side * side; ++i) {
      const std::int64_t r = row + i / side * step, c = col + i % side * step;
      const bool inside = r >= 0 && r < height && c >= 0 && c < width;
      pixels[i] = inside ? picture + (r * width + c) * channels : zeros_;
    }
  }

  void multiply(std::int64_t point, bool add) {
    const T* u = u_.data() + point * p_.depth * rows_;
    T* sums = sums_.data() + point * rows_ * columns_;
    for (std::int64_t i = 0; i < divide_up(rows_, kGemmRows) * kGemmRows; ++i) {
      const std::int64_t row = std::min(i, rows_ - 1);
      a_rows_[static_cast<std::size_t>(i)] = u + row;
      y_rows_[static_cast<std::size_t>(i)] = sums + row * columns_;
    }
    GemmBlock<T> block;
    block.a = a_rows_.data();
    block.a_step = rows_;
    block.rows = rows_;
    block.taps = 1;
    block.channels = depth_;
    block.b = v_.data() + point * p_.depth * columns_;
    block.y = y_rows_.data();
    block.column_end = columns_;
    block.accumulate = add;
    gemm_block(block);
  }

  // Of row i of this task.
  void write_taps(std::int64_t i, T* out) {
    const std::int64_t side = p_.weight[1], channels = p_.weight[3];
    const T* m = sums_.data() + i * columns_;
    T* weight = out + (row_ + i) * side * side * channels + column_;
    if (p_.form.taps == 3) {
      return winograd_taps(m, rows_ * columns_, columns_, weight, channels);
    }
    const std::int64_t first = phase_->row.tap_first * side + phase_->col.tap_first;
    const WinogradOutput<T> taps{.y = weight + first * channels,
                                 .residual = nullptr,
                                 .row_step = p_.tap_step * side * channels,
                                 .col_step = p_.tap_step * channels,
                                 .rows = p_.form.taps,
                                 .cols = p_.form.taps,
                                 .scale = nullptr,
                                 .shift = nullptr,
                                 .relu = false};
    winograd_output(p_.form, m, rows_ * columns_, columns_, taps);
  }

  const Problem& p_;
  const Cut& cut_;
  const T* zeros_;
  std::int64_t panel_, points_;
  const Phase* phase_ = nullptr;
  std::int64_t row_ = 0, rows_ = 0, column_ = 0, columns_ = 0, depth_ = 0;
  std::int64_t image_ = 0, row_at_ = 0, col_at_ = 0;
  Scratch<T> u_, v_, sums_;  // [points][depth][rows], [..][depth][columns], [..][rows][columns]
  Scratch<const T*> a_rows_;
  Scratch<T*> y_rows_;
};

template <typename T>
void run(const Exec& exec, const Problem& problem, View grad_w) {
  const Cut cut(problem);
  const std::int64_t numel = grad_w.numel();
  const Scratch<T> partial(exec, cut.splits > 1 ? static_cast<std::size_t>(cut.splits * numel) : 1);
  T* sums = cut.splits > 1 ? partial.data() : grad_w.data<T>();
  const std::int64_t num_zeros = std::max(problem.near.dim(3), problem.far.dim(3));
  const Scratch<T> zeros(exec, static_cast<std::size_t>(num_zeros));
  std::fill_n(zeros.data(), num_zeros, T(0));
  parallel_for(cut.tasks(), 1, [&](std::int64_t i, std::int64_t) {
    const std::int64_t split = i % cut.splits;
    Task<T>(exec, problem, cut, zeros.data()).run(i / cut.splits, split, sums + split * numel);
  });
  if (cut.splits == 1) return;
  parallel_for(numel, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    T* out = grad_w.data<T>();
    std::copy(sums + begin, sums + end, out + begin);
    for (std::int64_t split = 1; split < cut.splits; ++split) {
      const T* from = sums + split * numel;
      for (std::int64_t i = begin; i < end; ++i) out[i] += from[i];
    }
  });
}

}  // namespace

void winograd_weight_grad(const Exec& exec, ConstView x, ConstView grad_y,
                          const Conv2dParams& params, View grad_w) {
  const Problem problem{.form = {4, 3},
                        .near = grad_y,
                        .far = x,
                        .far_gives_rows = false,
                        .far_step = 1,
                        .tap_step = 1,
                        .phases = {{{-params.padding, 0}, {-params.padding, 0}}},
                        .weight = grad_w.shape,
                        .task_width = 64,
                        .depth = 64};
  visit_floating(grad_w.dtype, [&]<typename T>() { run<T>(exec, problem, grad_w); });
}

bool winograd_transpose_weight_grad_pays(const Shape& w, const Conv2dParams& p) {
  return p.winograd && p.stride == 2 && p.padding == 1 && w[1] == 4 && w[2] == 4 &&
         p.dilation == 1 && p.groups == 1 && w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 &&
         w[3] >= 32;
}

// With stride 2 and padding 1, big = 2 small - 1 + k: the even rows of grad_y meet k = 1 and 3, the
// odd ones k = 0 and 2.
void winograd_transpose_weight_grad(const Exec& exec, ConstView x, ConstView grad_y, View grad_w) {
  Problem problem{.form = {2, 2},
                  .near = x,
                  .far = grad_y,
                  .far_gives_rows = true,
                  .far_step = 2,
                  .tap_step = 2,
                  .phases = {},
                  .weight = grad_w.shape,
                  .task_width = 128,
                  .depth = 48};
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < 2; ++c) problem.phases.push_back({{-r, 1 - r}, {-c, 1 - c}});
  }
  visit_floating(grad_w.dtype, [&]<typename T>() { run<T>(exec, problem, grad_w); });
}

}  // namespace akimbo::kernels::cpu
