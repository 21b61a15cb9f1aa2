#include "kernels/cpu/conv_winograd.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/conv_winograd_phases.h"
#include "kernels/cpu/gemm.h"

namespace akimbo::kernels::cpu {
namespace {

// F(4,3) makes 16 outputs by 36 products in place of 144, but its weight is 4 times the plain one:
// beyond 128 x 128 channels that is more than the second-level cache holds, and must be read often
// to pay. F(2,3) needs 64 products and 1.8 times the weight. Likewise F(4,2), 25 products in place
// of 64 and 6.3 times the weight, and F(2,2), 36 and 2.3 times.
WinogradForm form_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params) {
  if (pass == WinogradPass::conv_transpose_input_grad) return {2, 2};
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

bool sums_inputs(WinogradPass pass) {
  return pass == WinogradPass::conv || pass == WinogradPass::conv_transpose;
}

// Channels of the map that is read, and columns of the product.
struct Widths {
  std::int64_t channels, columns;
};
Widths widths_of(WinogradPass pass, const Shape& weight) {
  return sums_inputs(pass) ? Widths{weight[3], weight[0]} : Widths{weight[0], weight[3]};
}

// The phases whose sum is one product: all of them, or each by itself. At each point the product
// sums over the channels of its phases, side by side.
using Product = std::vector<WinogradPhase>;
std::vector<Product> products_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params,
                                 std::int64_t out_rows, std::int64_t out_cols) {
  const std::vector<WinogradPhase> phases = phases_of(pass, weight, params, out_rows, out_cols);
  if (winograd_sums_phases(pass)) return {phases};
  std::vector<Product> products;
  for (const WinogradPhase& phase : phases) products.push_back({phase});
  return products;
}

// Of one point.
template <typename T>
std::int64_t point_numel(const Product& product, const Widths& widths) {
  return gemm_packed_numel<T>(static_cast<std::int64_t>(product.size()) * widths.channels,
                              widths.columns);
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
  Task(const Exec& exec, const WinogradForm& form, const std::vector<WinogradTiles>& tiles,
       const Plan& plan, std::int64_t channels, const T* u, const ConvEpilogue& e, View y,
       const T* zeros)
      : form_(form),
        tiles_(tiles),
        plan_(plan),
        channels_(channels),
        width_(static_cast<std::int64_t>(tiles.size()) * channels),
        u_(u),
        epilogue_(e),
        y_(y),
        zeros_(zeros),
        panel_(gemm_widths<T>().panel),
        m_stride_(std::min(panel_, y.dim(3))),
        v_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * width_)),
        m_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * m_stride_)),
        a_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(tiles_.front().count(), begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += panel_) {
      const std::int64_t columns = std::min(panel_, end - n);
      for (std::int64_t point = 0; point < form_.points(); ++point) multiply(point, n, columns);
      for (std::int64_t i = 0; i < count_; ++i) {
        winograd_output(form_, m_.data() + i * m_stride_, plan_.task_tiles * m_stride_, columns,
                        tiles_.front().outputs<T>(begin_ + i, n, epilogue_));
      }
    }
  }

 private:
  void transform_pixels(std::int64_t i) {
    const T* pixels[kMostWinogradSide * kMostWinogradSide];
    T* v = v_.data() + i * width_;
    for (const WinogradTiles& tiles : tiles_) {
      tiles.pixels(begin_ + i, zeros_, pixels);
      winograd_input(form_, pixels, channels_, v, plan_.task_tiles * width_);
      v += channels_;
    }
  }

  // m(point)[tile][column] = v(point)[tile][c] u(point)[c][n + column]
  void multiply(std::int64_t point, std::int64_t n, std::int64_t columns) {
    for (std::int64_t i = 0; i < divide_up(count_, kGemmRows) * kGemmRows; ++i) {
      const std::int64_t row = point * plan_.task_tiles + std::min(i, count_ - 1);
      a_rows_[static_cast<std::size_t>(i)] = v_.data() + row * width_;
      m_rows_[static_cast<std::size_t>(i)] = m_.data() + row * m_stride_;
    }
    GemmBlock<T> block;
    block.a = a_rows_.data();
    block.rows = count_;
    block.taps = 1;
    block.channels = width_;
    block.b = u_ + point * gemm_packed_numel<T>(width_, y_.dim(3)) + n * width_;
    block.y = m_rows_.data();
    block.column_end = columns;
    gemm_block(block);
  }

  const WinogradForm& form_;
  const std::vector<WinogradTiles>& tiles_;  // of the phases that are summed
  const Plan& plan_;
  std::int64_t channels_, width_;  // of one phase and of all
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
void pack_product(const Exec& exec, const Product& product, WinogradPass pass, ConstView weight,
                  T* packed) {
  const std::int64_t inputs = weight.dim(3), pairs = weight.dim(0) * inputs;
  const std::int64_t points = product.front().form.points();
  const Scratch<T> u(exec, product.size() * static_cast<std::size_t>(points * pairs));
  for (std::size_t i = 0; i < product.size(); ++i) {
    winograd_phase_weight(product[i], weight,
                          u.data() + static_cast<std::int64_t>(i) * points * pairs);
  }
  const Widths widths = widths_of(pass, weight.shape);
  std::vector<std::int64_t> offsets(product.size());
  for (std::int64_t point = 0; point < points; ++point) {
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      offsets[i] = (static_cast<std::int64_t>(i) * points + point) * pairs;
    }
    gemm_pack<T>({.data = u.data(),
                  .tap_offset = offsets.data(),
                  .taps = static_cast<std::int64_t>(offsets.size()),
                  .channels = widths.channels,
                  .columns = widths.columns,
                  .c_stride = sums_inputs(pass) ? 1 : inputs,
                  .n_stride = sums_inputs(pass) ? inputs : 1},
                 packed + point * point_numel<T>(product, widths));
  }
}

}  // namespace

// Beyond 256 x 256 channels the transformed weight, 1.8 to 2.3 times as large, is more than the
// caches hold: it pays unless there are a handful of pixels only.
bool winograd_pays(WinogradPass pass, const Shape& w, const Conv2dParams& p) {
  const bool transposed =
      pass == WinogradPass::conv_transpose || pass == WinogradPass::conv_transpose_input_grad;
  const std::int64_t side = transposed ? 4 : 3;
  const bool fits = transposed ? p.stride == 2 && p.padding == 1 : p.stride == 1 && p.padding <= 2;
  return p.winograd && fits && w[1] == side && w[2] == side && p.dilation == 1 && p.groups == 1 &&
         w[0] % 16 == 0 && w[3] % 16 == 0 && w[0] >= 32 && w[3] >= 32 &&
         w[0] * w[3] <= (p.pixels >= 32 ? 512 * 1024 : 256 * 256);
}

std::int64_t winograd_packed_numel(WinogradPass pass, const Shape& w, DType dtype,
                                   const Conv2dParams& params) {
  std::int64_t numel = 0;
  visit_floating(dtype, [&]<typename T>() {
    for (const Product& product : products_of(pass, w, params, 0, 0)) {
      numel += product.front().form.points() * point_numel<T>(product, widths_of(pass, w));
    }
  });
  return numel;
}

void winograd_pack(const Exec& exec, WinogradPass pass, ConstView weight,
                   const Conv2dParams& params, View packed) {
  visit_floating(packed.dtype, [&]<typename T>() {
    T* to = packed.data<T>();
    for (const Product& product : products_of(pass, weight.shape, params, 0, 0)) {
      pack_product(exec, product, pass, weight, to);
      to += product.front().form.points() * point_numel<T>(product, widths_of(pass, weight.shape));
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
    for (const Product& product : products_of(pass, weight, params, out.dim(1), out.dim(2))) {
      const WinogradForm& form = product.front().form;
      std::vector<WinogradTiles> tiles;
      for (const WinogradPhase& phase : product) tiles.emplace_back(phase, in, out);
      const std::int64_t width = static_cast<std::int64_t>(product.size()) * in.dim(3);
      const Plan plan(form, tiles.front().count(), width, out.dim(3), gemm_widths<T>().panel);
      parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
        Task<T> task(exec, form, tiles, plan, in.dim(3), u, epilogue, out, zeros.data());
        task.run(i % plan.tile_tasks, i / plan.tile_tasks);
      });
      u += form.points() * point_numel<T>(product, widths_of(pass, weight));
    }
  });
}

}  // namespace akimbo::kernels::cpu
