#include "kernels/cpu/conv_gather.h"

#include <algorithm>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

// One product B of the packed weight: a phase and a group.
struct PackedPart {
  std::int64_t offset;  // in `packed`
  std::int64_t channels, columns;
};

struct Widths {
  std::int64_t channels, columns;  // of one group: summed over, and produced
};

Widths group_widths(GatherSum sum, const Shape& weight, const Conv2dParams& params) {
  const std::int64_t outputs = weight[0] / params.groups, inputs = weight[3];
  return sum == GatherSum::inputs ? Widths{inputs, outputs} : Widths{outputs, inputs};
}

std::int64_t part_numel(DType dtype, std::int64_t k, std::int64_t n) {
  return visit_floating(dtype, [&]<typename T>() { return gemm_packed_numel<T>(k, n); });
}

// Phases as the packed weight has them: every one, however small the output is.
std::vector<GatherPhase> all_phases(GatherDirection direction, const Conv2dParams& params,
                                    const Shape& weight) {
  return gather_phases(direction, params, weight[1], weight[2], params.stride, params.stride);
}

// A row of output pixels of one phase, from which a task's pointers are made.
template <typename T>
class PixelTable {
 public:
  PixelTable(const Exec& exec, std::int64_t pixels, std::int64_t taps)
      : taps_(taps),
        a_(exec, static_cast<std::size_t>(divide_up(pixels, kGemmRows) * kGemmRows *
                                          std::max<std::int64_t>(1, taps))),
        y_(exec, static_cast<std::size_t>(pixels)) {}

  // Pixels [begin, end) of a phase, in row-major order over images, rows and columns.
  void fill(const GatherPhase& phase, std::int64_t begin, std::int64_t end, ConstView in,
            const T* zeros, View out) {
    std::int64_t col = begin % phase.cols, row = begin / phase.cols % phase.rows;
    std::int64_t image = begin / (phase.cols * phase.rows);
    const T** a = a_.data();
    for (std::int64_t p = begin; p < end; p += kGemmRows, a += taps_ * kGemmRows) {
      for (std::int64_t i = 0; i < kGemmRows; ++i) {
        if (p + i >= end) {
          for (std::int64_t tap = 0; tap < taps_; ++tap) a[tap * kGemmRows + i] = zeros;
          continue;
        }
        const std::int64_t y_row = phase.row_first + row * phase.step;
        const std::int64_t y_col = phase.col_first + col * phase.step;
        y_[p + i - begin] =
            out.data<T>() + ((image * out.dim(1) + y_row) * out.dim(2) + y_col) * out.dim(3);
        fill_taps(phase, a + i, image, row * phase.in_step, col * phase.in_step, in, zeros);
        if (++col < phase.cols) continue;
        col = 0;
        if (++row < phase.rows) continue;
        row = 0;
        ++image;
      }
    }
  }

  [[nodiscard]] const T* const* a() const { return a_.data(); }
  [[nodiscard]] T* const* y() const { return y_.data(); }

 private:
  void fill_taps(const GatherPhase& phase, const T** to, std::int64_t image, std::int64_t row,
                 std::int64_t col, ConstView in, const T* zeros) {
    const std::int64_t rows = in.dim(1), cols = in.dim(2), channels = in.dim(3);
    const T* picture = in.data<T>() + image * rows * cols * channels;
    for (const GatherTap& tap : phase.taps) {
      const std::int64_t r = row + tap.row, c = col + tap.col;
      const bool inside = r >= 0 && r < rows && c >= 0 && c < cols;
      *to = inside ? picture + (r * cols + c) * channels : zeros;
      to += kGemmRows;
    }
  }

  std::int64_t taps_;
  Scratch<const T*> a_;  // [tiles][taps][kGemmRows]
  Scratch<T*> y_;
};

// How the pixels and columns of one product are cut into tasks. It depends on the problem alone.
struct Cut {
  std::int64_t pixels;   // of one task, a multiple of kGemmRows
  std::int64_t columns;  // of one task, a multiple of the panel width
  std::int64_t pixel_tasks, column_tasks;
};

// 192 pixels and one panel's part of the weight lie in the second-level cache together. Enough
// tasks keep many threads busy; a task takes all columns where there are many pixels anyway, so
// that it finds its pixels in cache again for each panel.
Cut cut_product(std::int64_t pixels, std::int64_t columns, std::int64_t panel) {
  constexpr std::int64_t kTaskPixels = 32 * kGemmRows, kFewestPixels = 8 * kGemmRows;
  constexpr std::int64_t kEnoughTasks = 48;
  const std::int64_t panels = divide_up(columns, panel);
  Cut cut{std::min(kTaskPixels, divide_up(pixels, kGemmRows) * kGemmRows), 0, 0, 0};
  while (divide_up(pixels, cut.pixels) * panels < kEnoughTasks && cut.pixels > kFewestPixels) {
    cut.pixels = std::max(kFewestPixels, cut.pixels / 2 / kGemmRows * kGemmRows);
  }
  cut.pixel_tasks = divide_up(pixels, cut.pixels);
  const std::int64_t splits = std::min(panels, divide_up(kEnoughTasks, cut.pixel_tasks));
  cut.columns = divide_up(panels, splits) * panel;
  cut.column_tasks = divide_up(columns, cut.columns);
  return cut;
}

template <typename T>
struct Product {
  const GatherPhase* phase;
  std::int64_t group;
  const T* packed;
  std::int64_t first_task;
  Cut cut;
};

template <typename T>
void run_task(const Exec& exec, const Product<T>& product, std::int64_t task, Widths widths,
              ConstView in, const T* zeros, const ConvEpilogue& epilogue, View out) {
  const GatherPhase& phase = *product.phase;
  const Cut& cut = product.cut;
  const std::int64_t pixels = in.dim(0) * phase.rows * phase.cols;
  const std::int64_t begin = task % cut.pixel_tasks * cut.pixels;
  const std::int64_t end = std::min(pixels, begin + cut.pixels);
  const auto taps = static_cast<std::int64_t>(phase.taps.size());
  const std::int64_t in_offset = product.group * widths.channels;
  const std::int64_t out_offset = product.group * widths.columns;

  // A group is a slice of the channels: shift the views, not the kernel.
  ConstView in_group = in;
  in_group.pointer = in.data<T>() + in_offset;
  View out_group = out;
  out_group.pointer = out.data<T>() + out_offset;
  PixelTable<T> table(exec, end - begin, taps);
  table.fill(phase, begin, end, in_group, zeros, out_group);

  GemmBlock<T> block;
  block.a = table.a();
  block.rows = end - begin;
  block.taps = taps;
  block.channels = widths.channels;
  block.b = product.packed;
  block.y = table.y();
  block.column_begin = task / cut.pixel_tasks * cut.columns;
  block.column_end = std::min(widths.columns, block.column_begin + cut.columns);
  block.epilogue.scale = epilogue.scale ? epilogue.scale.data<T>() + out_offset : nullptr;
  block.epilogue.shift = epilogue.shift ? epilogue.shift.data<T>() + out_offset : nullptr;
  block.epilogue.residual = epilogue.residual.data<T>();
  block.epilogue.y_origin = out.data<T>();
  block.epilogue.relu = epilogue.relu;
  gemm_block(block);
}

template <typename T>
void gather_product_of(const Exec& exec, const std::vector<GatherPhase>& phases,
                       const std::vector<PackedPart>& parts, Widths widths, ConstView in,
                       ConstView packed, const ConvEpilogue& epilogue, const Conv2dParams& params,
                       View out) {
  constexpr std::int64_t kGrainProducts = 1 << 18;
  std::vector<Product<T>> products;
  std::int64_t tasks = 0, work = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto group = static_cast<std::int64_t>(i) % params.groups;
    const GatherPhase& phase = phases[i / static_cast<std::size_t>(params.groups)];
    const std::int64_t pixels = in.dim(0) * phase.rows * phase.cols;
    if (pixels == 0 || widths.columns == 0) continue;
    const Cut cut = cut_product(pixels, widths.columns, gemm_widths<T>().panel);
    products.push_back({&phase, group, packed.data<T>() + parts[i].offset, tasks, cut});
    tasks += cut.pixel_tasks * cut.column_tasks;
    work +=
        pixels * widths.columns * widths.channels * static_cast<std::int64_t>(phase.taps.size());
  }
  const auto num_zeros =
      static_cast<std::size_t>(std::max({std::int64_t{1}, in.dim(3), widths.channels}));
  const Scratch<T> zeros(exec, num_zeros);
  std::fill_n(zeros.data(), num_zeros, T(0));
  const auto run = [&](std::int64_t task) {
    const auto after = std::upper_bound(
        products.begin(), products.end(), task,
        [](std::int64_t t, const Product<T>& product) { return t < product.first_task; });
    const Product<T>& product = *(after - 1);
    run_task(exec, product, task - product.first_task, widths, in, zeros.data(), epilogue, out);
  };
  // Small products go several tasks at a time: waking a thread takes microseconds.
  const std::int64_t grain = kGrainProducts * tasks / std::max<std::int64_t>(1, work) + 1;
  parallel_for(tasks, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t task = first; task < last; ++task) run(task);
  });
}

std::vector<PackedPart> packed_parts(GatherDirection direction, GatherSum sum, const Shape& weight,
                                     DType dtype, const Conv2dParams& params) {
  const Widths widths = group_widths(sum, weight, params);
  std::vector<PackedPart> parts;
  std::int64_t offset = 0;
  for (const GatherPhase& phase : all_phases(direction, params, weight)) {
    const auto k = static_cast<std::int64_t>(phase.taps.size()) * widths.channels;
    for (std::int64_t group = 0; group < params.groups; ++group) {
      parts.push_back({offset, widths.channels, widths.columns});
      offset += part_numel(dtype, k, widths.columns);
    }
  }
  parts.push_back({offset, 0, 0});  // the end
  return parts;
}

// Output rows or columns of one phase: first, first + step, ... below `extent`.
std::int64_t phase_extent(std::int64_t extent, std::int64_t first, std::int64_t step) {
  return extent <= first ? 0 : (extent - first + step - 1) / step;
}

}  // namespace

std::vector<GatherPhase> gather_phases(GatherDirection direction, const Conv2dParams& params,
                                       std::int64_t kh, std::int64_t kw, std::int64_t out_rows,
                                       std::int64_t out_cols) {
  const std::int64_t stride = params.stride, padding = params.padding, dilation = params.dilation;
  std::vector<GatherPhase> phases;
  if (direction == GatherDirection::small_to_big) {
    GatherPhase phase{0, 0, out_rows, out_cols, 1, stride, {}};
    for (std::int64_t k = 0; k < kh * kw; ++k) {
      phase.taps.push_back({k / kw * dilation - padding, k % kw * dilation - padding, k});
    }
    return {phase};
  }
  // big = small * stride - padding + k * dilation, so small = i + (first + padding - k * dilation)
  // / stride for big = i * stride + first, where that divides.
  for (std::int64_t r = 0; r < stride; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      GatherPhase phase{
          r, c, phase_extent(out_rows, r, stride), phase_extent(out_cols, c, stride), stride,
          1, {}};
      for (std::int64_t k = 0; k < kh * kw; ++k) {
        const std::int64_t row = r + padding - k / kw * dilation;
        const std::int64_t col = c + padding - k % kw * dilation;
        if (row % stride == 0 && col % stride == 0) {
          phase.taps.push_back({row / stride, col / stride, k});
        }
      }
      phases.push_back(phase);
    }
  }
  return phases;
}

std::int64_t gather_packed_numel(GatherDirection direction, GatherSum sum, const Shape& weight,
                                 DType dtype, const Conv2dParams& params) {
  return packed_parts(direction, sum, weight, dtype, params).back().offset;
}

void gather_pack(GatherDirection direction, GatherSum sum, ConstView weight,
                 const Conv2dParams& params, View packed) {
  const std::vector<GatherPhase> phases = all_phases(direction, params, weight.shape);
  const std::vector<PackedPart> parts =
      packed_parts(direction, sum, weight.shape, packed.dtype, params);
  const std::int64_t inputs = weight.dim(3), row = weight.dim(1) * weight.dim(2) * inputs;
  visit_floating(packed.dtype, [&]<typename T>() {
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto groups = static_cast<std::size_t>(params.groups);
      const auto group = static_cast<std::int64_t>(i % groups);
      std::vector<std::int64_t> tap_offset;
      for (const GatherTap& tap : phases[i / groups].taps) {
        tap_offset.push_back(tap.index * inputs);
      }
      const bool over_inputs = sum == GatherSum::inputs;
      gemm_pack<T>({.data = weight.data<T>() + group * (weight.dim(0) / params.groups) * row,
                    .tap_offset = tap_offset.data(),
                    .taps = static_cast<std::int64_t>(tap_offset.size()),
                    .channels = parts[i].channels,
                    .columns = parts[i].columns,
                    .c_stride = over_inputs ? 1 : row,
                    .n_stride = over_inputs ? row : 1},
                   packed.data<T>() + parts[i].offset);
    }
  });
}

void gather_product(const Exec& exec, GatherDirection direction, GatherSum sum, ConstView in,
                    const Shape& weight, ConstView packed, const ConvEpilogue& epilogue,
                    const Conv2dParams& params, View out) {
  if (out.numel() == 0) return;
  const std::vector<GatherPhase> phases =
      gather_phases(direction, params, weight[1], weight[2], out.dim(1), out.dim(2));
  std::vector<PackedPart> parts = packed_parts(direction, sum, weight, out.dtype, params);
  parts.pop_back();
  visit_floating(out.dtype, [&]<typename T>() {
    gather_product_of<T>(exec, phases, parts, group_widths(sum, weight, params), in, packed,
                         epilogue, params, out);
  });
}

}  // namespace akimbo::kernels::cpu
