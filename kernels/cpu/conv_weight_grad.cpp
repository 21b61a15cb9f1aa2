#include "kernels/cpu/conv_weight_grad.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kBlockPixels = 256;  // summed at once, packed in cache
constexpr std::int64_t kTileStride = kBlockPixels * kGemmRows + 16;
constexpr std::int64_t kTaskRows = 32 * kGemmRows;  // of grad_w: 192 KiB of packed a
constexpr std::int64_t kEnoughTasks = 48;
constexpr std::int64_t kGrainProducts = 1 << 18;
constexpr std::int64_t kFewestSplitPixels = 1024;
constexpr std::int64_t kMostPartialElements = 1 << 22;  // all partial sums together

// The problem of one call, in the terms of the product.
template <typename T>
struct Problem {
  Gathered gathered;
  Conv2dParams params;
  const T *a, *b;
  std::int64_t images, rows, cols;  // pixels p
  std::int64_t far_rows, far_cols;  // map of the gathered operand
  std::int64_t num_a, num_b;        // channels of a pixel of a and b
  std::int64_t m, n, kh, kw;        // rows and columns of grad_w, of one group
  [[nodiscard]] std::int64_t pixels() const { return images * rows * cols; }
  [[nodiscard]] std::int64_t taps() const { return kh * kw; }
  // Taps of a gathered b lie side by side, as they do in a row of grad_w: narrow ones share panels.
  [[nodiscard]] std::int64_t columns() const { return gathered == Gathered::b ? taps() * n : n; }
  [[nodiscard]] std::int64_t row_taps() const { return gathered == Gathered::b ? 1 : taps(); }
};

// How the sum is cut: the pixels into `splits` partial sums, grad_w into row and column tasks. A
// column unit is one panel of columns (of one tap, if a is gathered). It depends on the problem
// alone.
struct Cut {
  std::int64_t splits, split_pixels;
  std::int64_t row_tasks, rows;
  std::int64_t unit_tasks, units;
};

template <typename T>
Cut cut_problem(const Problem<T>& p, std::int64_t panel) {
  Cut cut{};
  cut.row_tasks = divide_up(p.m, kTaskRows);
  cut.rows = divide_up(divide_up(p.m, cut.row_tasks), kGemmRows) * kGemmRows;
  const std::int64_t numel = p.params.groups * p.m * p.taps() * p.n;
  const std::int64_t most = std::max<std::int64_t>(1, kMostPartialElements / numel);
  const std::int64_t wanted = divide_up(kEnoughTasks, cut.row_tasks * p.params.groups);
  const std::int64_t splits =
      std::clamp<std::int64_t>(p.pixels() / kFewestSplitPixels, 1, std::min(most, wanted));
  cut.split_pixels = divide_up(divide_up(p.pixels(), splits), kBlockPixels) * kBlockPixels;
  cut.splits = divide_up(p.pixels(), cut.split_pixels);
  const std::int64_t all_units = p.row_taps() * divide_up(p.columns(), panel);
  const std::int64_t tasks = cut.row_tasks * cut.splits * p.params.groups;
  cut.units = divide_up(all_units, std::min(all_units, divide_up(kEnoughTasks, tasks)));
  cut.unit_tasks = divide_up(all_units, cut.units);
  return cut;
}

// Scratch memory of one task and the steps of its work.
template <typename T>
class Task {
 public:
  Task(const Exec& exec, const Problem<T>& problem, const Cut& cut, const T* zeros,
       std::int64_t group)
      : p_(problem),
        cut_(cut),
        widths_(gemm_widths<T>()),
        zeros_(zeros),
        group_(group),
        near_(exec, kBlockPixels),
        far_(exec, kBlockPixels),
        packed_a_(exec, static_cast<std::size_t>(cut.rows / kGemmRows * kTileStride)),
        packed_b_(exec, static_cast<std::size_t>(widths_.panel * kBlockPixels)),
        a_rows_(exec, static_cast<std::size_t>(cut.rows)),
        y_rows_(exec, static_cast<std::size_t>(cut.rows)) {}

  // Adds to the partial sum `out` [M, kh, kw, C/groups] of its split, which it owns the part of.
  void run(std::int64_t row_task, std::int64_t unit_task, std::int64_t split, T* out) {
    row_begin_ = row_task * cut_.rows;
    row_end_ = std::min(p_.m, row_begin_ + cut_.rows);
    const std::int64_t units = p_.row_taps() * divide_up(p_.columns(), widths_.panel);
    const std::int64_t unit_begin = unit_task * cut_.units;
    const std::int64_t unit_end = std::min(units, unit_begin + cut_.units);
    const std::int64_t end = std::min(p_.pixels(), (split + 1) * cut_.split_pixels);
    const std::int64_t start = split * cut_.split_pixels;
    for (std::int64_t begin = start; begin < end; begin += kBlockPixels) {
      depth_ = std::min(kBlockPixels, end - begin);
      for (std::int64_t i = 0; i < depth_; ++i) {
        near_[i] = p_.gathered == Gathered::a ? b_pixel(begin + i) : a_pixel(begin + i);
      }
      if (p_.gathered == Gathered::b) point_at_a(begin);
      run_units(begin, unit_begin, unit_end, begin > start, out);
    }
  }

 private:
  [[nodiscard]] const T* a_pixel(std::int64_t i) const {
    return p_.a + i * p_.num_a + group_ * p_.m;
  }
  [[nodiscard]] const T* b_pixel(std::int64_t i) const {
    return p_.b + i * p_.num_b + group_ * p_.n;
  }

  void run_units(std::int64_t begin, std::int64_t unit_begin, std::int64_t unit_end, bool add,
                 T* out) {
    const std::int64_t panels = divide_up(p_.columns(), widths_.panel);
    gathered_tap_ = -1;
    for (std::int64_t unit = unit_begin; unit < unit_end; ++unit) {
      const std::int64_t tap = unit / panels, column = unit % panels * widths_.panel;
      open_panel(p_.columns() - column);
      if (p_.gathered == Gathered::b) {
        pack_taps_of_b(begin, column);
      } else {
        if (gather(begin, tap)) pack_a(far_.data());
        pack_b(near_.data(), column, 0, columns_);
      }
      multiply(tap, column, add, out);
    }
  }

  // Each tap's share of the panel.
  void pack_taps_of_b(std::int64_t begin, std::int64_t column) {
    const std::int64_t end = column + columns_;
    for (std::int64_t at = column; at < end;) {
      const std::int64_t first = at % p_.n, count = std::min(p_.n - first, end - at);
      gather(begin, at / p_.n);
      pack_b(far_.data(), first, at - column, count);
      at += count;
    }
  }

  // The far pixel of each of the block's pixels, or zeros outside the map. False: they are there.
  bool gather(std::int64_t begin, std::int64_t tap) {
    if (std::exchange(gathered_tap_, tap) == tap) return false;
    const std::int64_t dy = tap / p_.kw * p_.params.dilation - p_.params.padding;
    const std::int64_t dx = tap % p_.kw * p_.params.dilation - p_.params.padding;
    std::int64_t col = begin % p_.cols, row = begin / p_.cols % p_.rows;
    std::int64_t image = begin / (p_.cols * p_.rows);
    for (std::int64_t i = 0; i < depth_; ++i) {
      const std::int64_t y = row * p_.params.stride + dy, x = col * p_.params.stride + dx;
      const std::int64_t far = (image * p_.far_rows + y) * p_.far_cols + x;
      if (y < 0 || y >= p_.far_rows || x < 0 || x >= p_.far_cols) {
        far_[i] = zeros_;
      } else {
        far_[i] = p_.gathered == Gathered::a ? a_pixel(far) : b_pixel(far);
      }
      if (++col < p_.cols) continue;
      col = 0;
      if (++row < p_.rows) continue;
      row = 0;
      ++image;
    }
    return true;
  }

  // A pixel's channels are rows of the product, and the next pixel is one step away: near pixels
  // need no packing. The kernel has time to wait for the second-level cache.
  void point_at_a(std::int64_t begin) {
    const std::int64_t rows = row_end_ - row_begin_;
    // The kernel reads six channels of every pixel before the next six: left to itself, it would
    // wait for memory at each new cache line.
    for (std::int64_t i = begin; i < begin + depth_; ++i) {
      const T* slice = a_pixel(i) + row_begin_;
      for (std::int64_t row = 0; row < rows; row += 64 / sizeof(T)) {
        __builtin_prefetch(slice + row, 0, 2);
      }
    }
    for (std::int64_t row = 0; row < divide_up(rows, kGemmRows) * kGemmRows; ++row) {
      a_rows_[row] = a_pixel(begin) + row_begin_ + std::min(row, rows - 1);
    }
  }

  // [tile][pixel][kGemmRows], pixel by pixel: a pixel's channels are side by side, pixels are pages
  // apart. Eight elements are copied at a time, six of which count: the next pixel overwrites the
  // other two, and the last one's fall into the slack of kTileStride.
  void pack_a(const T* const* pixels) {
    const std::int64_t rows = row_end_ - row_begin_;
    const std::int64_t whole = rows < 8 ? 0 : (rows - 8) / kGemmRows + 1;
    const std::int64_t tiles = divide_up(rows, kGemmRows);
    for (std::int64_t i = 0; i < depth_; ++i) {
      const T* from = pixels[i] + row_begin_;
      T* to = packed_a_.data() + i * kGemmRows;
      for (std::int64_t tile = 0; tile < whole; ++tile) {
        std::memcpy(to, from, 8 * sizeof(T));
        from += kGemmRows;
        to += kTileStride;
      }
      for (std::int64_t tile = whole; tile < tiles; ++tile) {
        const std::int64_t count = std::min(kGemmRows, rows - tile * kGemmRows);
        std::copy_n(from, count, to);
        std::fill(to + count, to + kGemmRows, T(0));
        from += kGemmRows;
        to += kTileStride;
      }
    }
    for (std::int64_t row = 0; row < tiles * kGemmRows; ++row) {
      a_rows_[row] = packed_a_.data() + row / kGemmRows * kTileStride + row % kGemmRows;
    }
  }

  // Sets the width of the panel that `columns` take, and zeros behind them.
  void open_panel(std::int64_t columns) {
    columns_ = std::min(widths_.panel, columns);
    width_ = divide_up(columns_, widths_.vector) * widths_.vector;
    if (columns_ == width_) return;
    for (std::int64_t i = 0; i < depth_; ++i) {
      std::fill_n(packed_b_.data() + i * width_ + columns_, width_ - columns_, T(0));
    }
  }

  // Channels [first, first + count) of the pixels, to columns [to, to + count) of the panel.
  void pack_b(const T* const* pixels, std::int64_t first, std::int64_t to, std::int64_t count) {
    T* at = packed_b_.data() + to;
    for (std::int64_t i = 0; i < depth_; ++i, at += width_)
      std::copy_n(pixels[i] + first, count, at);
  }

  void multiply(std::int64_t tap, std::int64_t column, bool add, T* out) {
    GemmBlock<T> block;
    block.a = a_rows_.data();
    block.a_step = p_.gathered == Gathered::b ? p_.num_a : kGemmRows;
    block.rows = row_end_ - row_begin_;
    block.taps = 1;
    block.channels = depth_;
    block.part_depth = kBlockPixels;  // a second pass over grad_w costs up to a third of the time
    block.b = packed_b_.data();
    block.y = y_rows_.data();
    block.column_end = columns_;
    block.accumulate = add;
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int64_t m = group_ * p_.m + row_begin_ + i;
      y_rows_[i] = out + (m * p_.taps() + tap) * p_.n + column;
    }
    gemm_block(block);
  }

  const Problem<T>& p_;
  const Cut& cut_;
  GemmWidths widths_;
  const T* zeros_;
  std::int64_t group_;
  std::int64_t row_begin_ = 0, row_end_ = 0, depth_ = 0;
  std::int64_t gathered_tap_ = -1, columns_ = 0, width_ = 0;  // of the panel
  Scratch<const T*> near_, far_;                              // [kBlockPixels]
  Scratch<T> packed_a_, packed_b_;
  Scratch<const T*> a_rows_;
  Scratch<T*> y_rows_;
};

// out = sum of the partial sums, in order.
template <typename T>
void add_partial_sums(const T* partial, std::int64_t splits, std::int64_t numel, T* out) {
  parallel_for(numel, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    std::copy(partial + begin, partial + end, out + begin);
    for (std::int64_t split = 1; split < splits; ++split) {
      const T* from = partial + split * numel;
      for (std::int64_t i = begin; i < end; ++i) out[i] += from[i];
    }
  });
}

template <typename T>
void run_problem(const Exec& exec, const Problem<T>& problem, View grad_w) {
  const Cut cut = cut_problem(problem, gemm_widths<T>().panel);
  const std::int64_t numel = grad_w.numel();
  const bool split = cut.splits > 1;
  const Scratch<T> partial(exec, split ? static_cast<std::size_t>(cut.splits * numel) : 1);
  T* sums = split ? partial.data() : grad_w.data<T>();
  const auto num_zeros =
      static_cast<std::size_t>(std::max({problem.num_a, problem.num_b, problem.m, problem.n}));
  const Scratch<T> zeros(exec, num_zeros);
  std::fill_n(zeros.data(), num_zeros, T(0));
  const std::int64_t tasks = cut.splits * cut.row_tasks * cut.unit_tasks * problem.params.groups;
  const auto run = [&](std::int64_t index) {
    const std::int64_t group = index % problem.params.groups;
    index /= problem.params.groups;
    const std::int64_t row_task = index % cut.row_tasks;
    index /= cut.row_tasks;
    Task<T> task(exec, problem, cut, zeros.data(), group);
    task.run(row_task, index % cut.unit_tasks, index / cut.unit_tasks,
             sums + index / cut.unit_tasks * numel);
  };
  // Small products go several tasks at a time: waking a thread takes microseconds.
  const std::int64_t work = problem.pixels() * numel;
  parallel_for(tasks, kGrainProducts * tasks / work + 1,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t task = first; task < last; ++task) run(task);
               });
  if (split) add_partial_sums(partial.data(), cut.splits, numel, grad_w.data<T>());
}

}  // namespace

void weight_grad_product(const Exec& exec, Gathered gathered, ConstView a, ConstView b,
                         const Conv2dParams& params, View grad_w) {
  if (grad_w.numel() == 0) return;
  const ConstView& near = gathered == Gathered::a ? b : a;
  const ConstView& far = gathered == Gathered::a ? a : b;
  visit_floating(grad_w.dtype, [&]<typename T>() {
    if (near.numel() == 0) {
      std::fill_n(grad_w.data<T>(), grad_w.numel(), T(0));
      return;
    }
    Problem<T> problem{};
    problem.gathered = gathered;
    problem.params = params;
    problem.a = a.data<T>();
    problem.b = b.data<T>();
    problem.images = near.dim(0);
    problem.rows = near.dim(1);
    problem.cols = near.dim(2);
    problem.far_rows = far.dim(1);
    problem.far_cols = far.dim(2);
    problem.num_a = a.dim(3);
    problem.num_b = b.dim(3);
    problem.m = grad_w.dim(0) / params.groups;
    problem.n = grad_w.dim(3);
    problem.kh = grad_w.dim(1);
    problem.kw = grad_w.dim(2);
    run_problem(exec, problem, grad_w);
  });
}

}  // namespace akimbo::kernels::cpu
