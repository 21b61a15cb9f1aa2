// Weight gradient of a 3x3 convolution with stride 1 by F(3x3, 4x4): blocks of 6x6 pixels of x and of
// 4x4 pixels of grad_y are transformed to 36 points each, and at each point
//   s[o][c] = sum over blocks: u[block][o] v[block][c]
// is one matrix product; its transform gives the nine taps.
#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/conv_winograd_simd.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr WinogradForm kForm{4, 3};  // of the pixels' side
constexpr std::int64_t kPoints = kForm.points(), kBlock = kForm.outputs, kSide = kForm.side();
// A task makes so many rows and columns of the weight: its 36 sums take 576 KiB in f32 and stay in
// the second-level cache, as do the transformed blocks that are summed in one go.
constexpr std::int64_t kTaskWidth = 64;
constexpr std::int64_t kDepth = 32;  // blocks
constexpr std::int64_t kEnoughTasks = 16, kFewestSplitBlocks = 4 * kDepth;

// How the sum is cut: blocks into partial sums, the weight into tasks. It depends on the problem
// alone.
struct Cut {
  Cut(ConstView grad_y, const Shape& weight)
      : block_rows(divide_up(grad_y.dim(1), kBlock)),
        block_cols(divide_up(grad_y.dim(2), kBlock)),
        blocks(grad_y.dim(0) * block_rows * block_cols),
        row_tasks(divide_up(weight[0], kTaskWidth)),
        column_tasks(divide_up(weight[3], kTaskWidth)) {
    const std::int64_t wanted = divide_up(kEnoughTasks, row_tasks * column_tasks);
    const std::int64_t parts = std::clamp<std::int64_t>(blocks / kFewestSplitBlocks, 1, wanted);
    split_blocks = divide_up(divide_up(blocks, parts), kDepth) * kDepth;
    splits = divide_up(blocks, split_blocks);
  }
  std::int64_t block_rows, block_cols, blocks;
  std::int64_t row_tasks, column_tasks, splits, split_blocks;
};

template <typename T>
class Task {
 public:
  Task(const Exec& exec, const Cut& cut, ConstView x, ConstView grad_y, std::int64_t padding,
       const T* zeros)
      : cut_(cut),
        x_(x),
        grad_y_(grad_y),
        padding_(padding),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        u_(exec, kPoints * kDepth * kTaskWidth),
        v_(exec, kPoints * kDepth * kTaskWidth),
        sums_(exec, kPoints * kTaskWidth * kTaskWidth),
        a_rows_(exec, kTaskWidth + kGemmRows),
        y_rows_(exec, kTaskWidth + kGemmRows) {}

  // Writes its part of the partial sum `out` [O,3,3,C].
  void run(std::int64_t row_task, std::int64_t column_task, std::int64_t split, T* out) {
    row_ = row_task * kTaskWidth;
    rows_ = std::min(kTaskWidth, grad_y_.dim(3) - row_);
    column_ = column_task * kTaskWidth;
    columns_ = std::min(kTaskWidth, x_.dim(3) - column_);
    const std::int64_t start = split * cut_.split_blocks;
    const std::int64_t end = std::min(cut_.blocks, start + cut_.split_blocks);
    for (std::int64_t begin = start; begin < end; begin += kDepth) {
      depth_ = std::min(kDepth, end - begin);
      for (std::int64_t i = 0; i < depth_; ++i) transform(begin + i, i);
      for (std::int64_t point = 0; point < kPoints; ++point) multiply(point, begin > start);
    }
    for (std::int64_t i = 0; i < rows_; ++i) {
      winograd_taps(sums_.data() + i * columns_, rows_ * columns_, columns_,
                    out + (row_ + i) * 9 * x_.dim(3) + column_, x_.dim(3));
    }
  }

 private:
  // Block `block` becomes the i-th of this go.
  void transform(std::int64_t block, std::int64_t i) {
    const std::int64_t col = block % cut_.block_cols * kBlock;
    const std::int64_t row = block / cut_.block_cols % cut_.block_rows * kBlock;
    const std::int64_t image = block / (cut_.block_cols * cut_.block_rows);
    const T* pixels[kPoints];
    point_at(grad_y_, image, row, col, kBlock, row_, pixels);
    winograd_gradient(pixels, rows_, u_.data() + i * rows_, kDepth * rows_);
    // As the product wants it: panels of columns, each [depth][width].
    for (std::int64_t n = 0; n < columns_; n += panel_) {
      const std::int64_t width = std::min(panel_, columns_ - n);
      point_at(x_, image, row - padding_, col - padding_, kSide, column_ + n, pixels);
      winograd_input(kForm, pixels, width, v_.data() + n * depth_ + i * width, kDepth * columns_);
    }
  }

  void point_at(ConstView map, std::int64_t image, std::int64_t row, std::int64_t col,
                std::int64_t side, std::int64_t channel, const T** pixels) const {
    const std::int64_t height = map.dim(1), width = map.dim(2), channels = map.dim(3);
    const T* picture = map.data<T>() + image * height * width * channels + channel;
    for (std::int64_t r = row; r < row + side; ++r) {
      for (std::int64_t c = col; c < col + side; ++c) {
        const bool inside = r >= 0 && r < height && c >= 0 && c < width;
        *pixels++ = inside ? picture + (r * width + c) * channels : zeros_;
      }
    }
  }

  void multiply(std::int64_t point, bool add) {
    const T* u = u_.data() + point * kDepth * rows_;
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
    block.b = v_.data() + point * kDepth * columns_;
    block.y = y_rows_.data();
    block.column_end = columns_;
    block.accumulate = add;
    gemm_block(block);
  }

  const Cut& cut_;
  ConstView x_, grad_y_;
  std::int64_t padding_;
  const T* zeros_;
  std::int64_t panel_;
  std::int64_t row_ = 0, rows_ = 0, column_ = 0, columns_ = 0, depth_ = 0;
  Scratch<T> u_, v_, sums_;  // [36][kDepth][rows], [36][kDepth][columns], [36][rows][columns]
  Scratch<const T*> a_rows_;
  Scratch<T*> y_rows_;
};

template <typename T>
void run(const Exec& exec, ConstView x, ConstView grad_y, const Conv2dParams& params, View grad_w) {
  const Cut cut(grad_y, grad_w.shape);
  const std::int64_t numel = grad_w.numel();
  const Scratch<T> partial(exec,
                           cut.splits > 1 ? static_cast<std::size_t>(cut.splits * numel) : 1);
  T* sums = cut.splits > 1 ? partial.data() : grad_w.data<T>();
  const std::int64_t num_zeros = std::max(x.dim(3), grad_y.dim(3));
  const Scratch<T> zeros(exec, static_cast<std::size_t>(num_zeros));
  std::fill_n(zeros.data(), num_zeros, T(0));
  parallel_for(cut.splits * cut.row_tasks * cut.column_tasks, 1,
               [&](std::int64_t i, std::int64_t) {
                 const std::int64_t split = i % cut.splits, task = i / cut.splits;
                 Task<T>(exec, cut, x, grad_y, params.padding, zeros.data())
                     .run(task % cut.row_tasks, task / cut.row_tasks, split, sums + split * numel);
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
  visit_floating(grad_w.dtype,
                 [&]<typename T>() { run<T>(exec, x, grad_y, params, grad_w); });
}

}  // namespace akimbo::kernels::cpu
