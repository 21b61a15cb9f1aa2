// Winograd's algorithm with transformed pixels and weights rounded to bf16; see conv_winograd.cpp.
// The packed weight is [panels][points][C/2][columns][2], so that a task reads it in one sweep.
#include <algorithm>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/conv_bf16.h"
#include "kernels/cpu/conv_winograd_phases.h"

namespace akimbo::kernels::cpu {
namespace {

// The transformed weight of F(4,3) is 4 times the plain one, that of F(2,3) 1.8 times: beyond
// 128 x 128 channels it must be read for more than a few blocks to pay (48 pixels of 256 channels,
// 108 of 384: F(2,3) is 1.15 times as fast; 192 of 256: F(4,3) 1.35 times).
WinogradForm form_of(WinogradPass pass, const Shape& weight, const Conv2dParams& params) {
  if (pass == WinogradPass::conv_transpose) return {2, 2};
  const bool small = weight[0] * weight[3] <= 128 * 128;
  return small || params.pixels >= 128 ? WinogradForm{4, 3} : WinogradForm{2, 3};
}

// How the blocks of outputs are cut into tasks.
struct Plan {
  Plan(const WinogradForm& form, std::int64_t tiles, std::int64_t inputs, std::int64_t outputs) {
    const Bf16Tile tile = bf16_tile(outputs);
    // A task's transformed pixels and the products of one panel: half the second-level cache.
    constexpr std::int64_t kTaskBytes = 256 * 1024, kEnoughTasks = 8, kMostTiles = 96;
    const std::int64_t tile_bytes = form.points() * (2 * inputs + 4 * tile.columns);
    const std::int64_t fit = std::max<std::int64_t>(1, kTaskBytes / tile_bytes / tile.rows);
    // Where a panel of the weight is some times larger than all pixels, it comes from memory: then
    // one task only reads it (HRNet-W32 256x192, two threads: 26 ms in place of 28).
    const std::int64_t panels = divide_up(outputs, tile.columns);
    const bool large_weight = panels > 1 && tile.columns > 4 * tiles;
    const std::int64_t wanted = large_weight ? 1 : kEnoughTasks;
    const std::int64_t even = divide_up(divide_up(tiles, wanted), tile.rows);
    const std::int64_t most = kMostTiles / tile.rows;
    task_tiles = std::min({fit, even, most}) * tile.rows;
    tile_tasks = divide_up(tiles, task_tiles);
    const std::int64_t splits = std::min(panels, divide_up(kEnoughTasks, tile_tasks));
    columns = divide_up(panels, splits) * tile.columns;
    column_tasks = divide_up(outputs, columns);
  }
  std::int64_t task_tiles, tile_tasks, columns, column_tasks;
};

class Task {
 public:
  Task(const Exec& exec, const WinogradForm& form, const WinogradTiles& tiles, const Plan& plan,
       std::int64_t channels, const BFloat16* u, const ConvEpilogue& e, View y, const float* zeros)
      : form_(form),
        tiles_(tiles),
        plan_(plan),
        channels_(channels),
        u_(u),
        epilogue_(e),
        y_(y),
        zeros_(zeros),
        tile_(bf16_tile(y.dim(3))),
        v_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * channels)),
        m_(exec, static_cast<std::size_t>(form.points() * plan.task_tiles * tile_.columns)),
        v_rows_(exec, static_cast<std::size_t>(plan.task_tiles)),
        m_rows_(exec, static_cast<std::size_t>(plan.task_tiles)) {}

  void run(std::int64_t tile_task, std::int64_t column_task) {
    begin_ = tile_task * plan_.task_tiles;
    count_ = std::min(tiles_.count(), begin_ + plan_.task_tiles) - begin_;
    for (std::int64_t i = 0; i < count_; ++i) transform_pixels(i);
    for (std::int64_t i = 0; i < round_up(count_, tile_.rows); ++i) {
      const std::int64_t row = std::min(i, count_ - 1);
      v_rows_[static_cast<std::size_t>(i)] = v_.data() + row * channels_;
      m_rows_[static_cast<std::size_t>(i)] = m_.data() + row * tile_.columns;
    }
    const std::int64_t end = std::min(y_.dim(3), (column_task + 1) * plan_.columns);
    for (std::int64_t n = column_task * plan_.columns; n < end; n += tile_.columns) {
      const std::int64_t columns = std::min(tile_.columns, end - n);
      for (std::int64_t point = 0; point < form_.points(); ++point) multiply(point, n);
      for (std::int64_t i = 0; i < count_; ++i) {
        winograd_output(form_, m_.data() + i * tile_.columns, plan_.task_tiles * tile_.columns,
                        columns, tiles_.outputs<float>(begin_ + i, n, epilogue_));
      }
    }
  }

 private:
  void transform_pixels(std::int64_t i) {
    const float* pixels[kMostWinogradSide * kMostWinogradSide];
    tiles_.pixels(begin_ + i, zeros_, pixels);
    bf16_winograd_input(form_, pixels, channels_, v_.data() + i * channels_,
                        plan_.task_tiles * channels_);
  }

  // m(point)[tile][column] = v(point)[tile][c] u(point)[c][n + column]
  void multiply(std::int64_t point, std::int64_t n) {
    Bf16Block block;
    block.a = v_rows_.data();
    block.a_offset = point * plan_.task_tiles * channels_;
    block.rows = count_;
    block.taps = 1;
    block.channels = channels_;
    block.b = u_ + (n * form_.points() + point * tile_.columns) * channels_;
    block.y = m_rows_.data();
    block.y_offset = point * plan_.task_tiles * tile_.columns;
    block.columns = block.column_end = tile_.columns;  // with the zeros of the last panel
    bf16_block(block);
  }

  const WinogradForm& form_;
  const WinogradTiles& tiles_;
  const Plan& plan_;
  std::int64_t channels_;
  const BFloat16* u_;
  const ConvEpilogue& epilogue_;
  View y_;
  const float* zeros_;
  Bf16Tile tile_;
  std::int64_t begin_ = 0, count_ = 0;
  Scratch<BFloat16> v_;  // [points][task_tiles][C]
  Scratch<float> m_;     // [points][task_tiles][tile columns]
  Scratch<const BFloat16*> v_rows_;
  Scratch<float*> m_rows_;
};

}  // namespace

bool winograd_bf16_pays(WinogradPass pass, const Shape& weight, const Conv2dParams& params) {
  Conv2dParams any_size = params;  // half as many bytes of weight as in f32
  any_size.pixels = std::int64_t{1} << 20;
  return winograd_pays(pass, weight, any_size);
}

std::int64_t winograd_bf16_packed_numel(WinogradPass pass, const Shape& weight,
                                        const Conv2dParams& params) {
  const std::int64_t phases = pass == WinogradPass::conv_transpose ? 4 : 1;
  return phases * form_of(pass, weight, params).points() * bf16_packed_numel(weight[3], weight[0]);
}

void winograd_bf16_pack(const Exec& exec, WinogradPass pass, ConstView weight,
                        const Conv2dParams& params, BFloat16* packed) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(3);
  const WinogradForm form = form_of(pass, weight.shape, params);
  const Scratch<float> u(exec, static_cast<std::size_t>(form.points() * outputs * inputs));
  for (const WinogradPhase& phase : winograd_phases(pass, form, params.padding, 0, 0)) {
    winograd_phase_weight(phase, weight, u.data());
    const std::int64_t panel = inputs * bf16_tile(outputs).columns;
    for (std::int64_t point = 0; point < form.points(); ++point) {
      const std::int64_t offset = point * outputs * inputs;
      bf16_pack({.data = u.data(),
                 .tap_offset = &offset,
                 .taps = 1,
                 .channels = inputs,
                 .columns = outputs,
                 .c_stride = 1,
                 .n_stride = inputs},
                form.points() * panel, packed + point * panel);
    }
    packed += form.points() * bf16_packed_numel(inputs, outputs);
  }
}

void winograd_bf16_product(const Exec& exec, WinogradPass pass, ConstView in, const Shape& weight,
                           const BFloat16* packed, const ConvEpilogue& epilogue,
                           const Conv2dParams& params, View out) {
  const Scratch<float> zeros(exec, static_cast<std::size_t>(in.dim(3)));
  std::fill_n(zeros.data(), in.dim(3), 0.0F);
  const WinogradForm form = form_of(pass, weight, params);
  for (const WinogradPhase& phase :
       winograd_phases(pass, form, params.padding, out.dim(1), out.dim(2))) {
    const WinogradTiles tiles(phase, in, out);
    const Plan plan(form, tiles.count(), in.dim(3), out.dim(3));
    parallel_for(plan.tile_tasks * plan.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
      Task task(exec, form, tiles, plan, in.dim(3), packed, epilogue, out, zeros.data());
      task.run(i % plan.tile_tasks, i / plan.tile_tasks);
    });
    packed += form.points() * bf16_packed_numel(in.dim(3), out.dim(3));
  }
}

}  // namespace akimbo::kernels::cpu
