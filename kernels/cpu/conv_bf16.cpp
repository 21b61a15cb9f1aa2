#include "kernels/cpu/conv_bf16.h"

#include <algorithm>
#include <vector>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/bf16.h"

namespace akimbo::kernels::cpu {
namespace {

WinogradPass pass_of(GatherDirection direction) {
  return direction == GatherDirection::small_to_big ? WinogradPass::conv
                                                    : WinogradPass::conv_transpose;
}

// How the pixels and columns of one phase are cut into tasks. It depends on the problem alone.
struct Cut {
  Cut(std::int64_t num_pixels, std::int64_t num_columns) {
    constexpr std::int64_t kTaskPixels = 192, kFewestPixels = 48, kEnoughTasks = 24;
    const Bf16Tile tile = bf16_tile(num_columns);
    const std::int64_t panels = divide_up(num_columns, tile.columns);
    pixels = std::min(kTaskPixels, round_up(num_pixels, tile.rows));
    while (divide_up(num_pixels, pixels) * panels < kEnoughTasks && pixels > kFewestPixels) {
      pixels = std::max(kFewestPixels, round_up(pixels / 2, tile.rows));
    }
    pixel_tasks = divide_up(num_pixels, pixels);
    const std::int64_t splits = std::min(panels, divide_up(kEnoughTasks, pixel_tasks));
    columns = divide_up(panels, splits) * tile.columns;
    column_tasks = divide_up(num_columns, columns);
  }
  std::int64_t pixels, columns, pixel_tasks, column_tasks;
};

// The input rounded to bf16, [N,H,W,C]. Where every pixel is read by one task only, the task rounds
// its own part in cache: then `data` is null.
struct RoundedMap {
  const BFloat16* data;
  const BFloat16* zeros;
};

// Output pixel i reads input pixel i.
bool is_pointwise(const Shape& weight, const Conv2dParams& params) {
  return weight[1] == 1 && weight[2] == 1 && params.stride == 1 && params.padding == 0;
}

class Task {
 public:
  Task(const Exec& exec, const GatherPhase& phase, const Cut& cut, ConstView in, View out,
       bool rounds)
      : phase_(phase),
        cut_(cut),
        in_(in),
        out_(out),
        tile_(bf16_tile(out.dim(3))),
        taps_(static_cast<std::int64_t>(phase.taps.size())),
        a_(exec, static_cast<std::size_t>(round_up(cut.pixels, tile_.rows) *
                                          std::max<std::int64_t>(1, taps_))),
        y_(exec, static_cast<std::size_t>(round_up(cut.pixels, tile_.rows))),
        rounded_(exec, static_cast<std::size_t>(rounds ? cut.pixels * in.dim(3) : 0)) {}

  void run(std::int64_t task, const RoundedMap& map, const BFloat16* packed,
           const ConvEpilogue& epilogue) {
    const std::int64_t pixels = in_.dim(0) * phase_.rows * phase_.cols;
    const std::int64_t begin = task % cut_.pixel_tasks * cut_.pixels;
    const std::int64_t end = std::min(pixels, begin + cut_.pixels);
    if (map.data == nullptr) {
      const std::int64_t first = begin * in_.dim(3), count = (end - begin) * in_.dim(3);
      bf16_round(in_.data<float>() + first, count, rounded_.data());
      fill(begin, end, {rounded_.data() - first, map.zeros});
    } else {
      fill(begin, end, map);
    }
    Bf16Block block;
    block.a = a_.data();
    block.rows = end - begin;
    block.taps = taps_;
    block.channels = in_.dim(3);
    block.b = packed;
    block.y = y_.data();
    block.columns = out_.dim(3);
    block.column_begin = task / cut_.pixel_tasks * cut_.columns;
    block.column_end = std::min(block.columns, block.column_begin + cut_.columns);
    block.epilogue = {.scale = epilogue.scale.data<float>(),
                      .shift = epilogue.shift.data<float>(),
                      .residual = epilogue.residual.data<float>(),
                      .y_origin = out_.data<float>(),
                      .relu = epilogue.relu};
    bf16_block(block);
  }

 private:
  // Pointers to pixels [begin, end) of the phase, in row-major order over images, rows and columns.
  void fill(std::int64_t begin, std::int64_t end, const RoundedMap& map) {
    const std::int64_t rows = tile_.rows;
    for (std::int64_t i = 0; i < round_up(end - begin, rows); ++i) {
      const std::int64_t pixel = std::min(begin + i, end - 1);
      const std::int64_t image = pixel / (phase_.rows * phase_.cols);
      const std::int64_t row = pixel / phase_.cols % phase_.rows, col = pixel % phase_.cols;
      const std::int64_t y_row = phase_.row_first + row * phase_.step;
      const std::int64_t y_col = phase_.col_first + col * phase_.step;
      y_[static_cast<std::size_t>(i)] =
          out_.data<float>() + ((image * out_.dim(1) + y_row) * out_.dim(2) + y_col) * out_.dim(3);
      const BFloat16** a = a_.data() + i / rows * rows * taps_ + i % rows;
      for (const GatherTap& tap : phase_.taps) {
        const std::int64_t r = row * phase_.in_step + tap.row, c = col * phase_.in_step + tap.col;
        const bool inside = r >= 0 && r < in_.dim(1) && c >= 0 && c < in_.dim(2);
        *a = inside ? map.data + ((image * in_.dim(1) + r) * in_.dim(2) + c) * in_.dim(3)
                    : map.zeros;
        a += rows;
      }
    }
  }

  const GatherPhase& phase_;
  const Cut& cut_;
  ConstView in_;
  View out_;
  Bf16Tile tile_;
  std::int64_t taps_;
  Scratch<const BFloat16*> a_;  // [tiles][taps][tile rows]
  Scratch<float*> y_;
  Scratch<BFloat16> rounded_;  // a pointwise task's pixels
};

void round_map(ConstView in, BFloat16* to) {
  constexpr std::int64_t kBlock = 1 << 14;
  const std::int64_t count = in.numel();
  parallel_for(divide_up(count, kBlock), 4, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kBlock;
    bf16_round(in.data<float>() + first, std::min(count, end * kBlock) - first, to + first);
  });
}

std::vector<GatherPhase> all_phases(GatherDirection direction, const Conv2dParams& params,
                                    const Shape& weight) {
  return gather_phases(direction, params, weight[1], weight[2], params.stride, params.stride);
}

std::int64_t phase_numel(const GatherPhase& phase, const Shape& weight) {
  return bf16_packed_numel(static_cast<std::int64_t>(phase.taps.size()) * weight[3], weight[0]);
}

void gather_pack_bf16(GatherDirection direction, ConstView weight, const Conv2dParams& params,
                      BFloat16* packed) {
  const std::int64_t inputs = weight.dim(3), row = weight.dim(1) * weight.dim(2) * inputs;
  for (const GatherPhase& phase : all_phases(direction, params, weight.shape)) {
    std::vector<std::int64_t> tap_offset;
    for (const GatherTap& tap : phase.taps) tap_offset.push_back(tap.index * inputs);
    bf16_pack(
        {.data = weight.data<float>(),
         .tap_offset = tap_offset.data(),
         .taps = static_cast<std::int64_t>(tap_offset.size()),
         .channels = inputs,
         .columns = weight.dim(0),
         .c_stride = 1,
         .n_stride = row},
        static_cast<std::int64_t>(tap_offset.size()) * inputs * bf16_tile(weight.dim(0)).columns,
        packed);
    packed += phase_numel(phase, weight.shape);
  }
}

void gather_product_bf16(const Exec& exec, GatherDirection direction, ConstView in,
                         const Shape& weight, const BFloat16* packed, const ConvEpilogue& epilogue,
                         const Conv2dParams& params, View out) {
  const auto channels = static_cast<std::size_t>(in.dim(3));
  const bool tasks_round =
      is_pointwise(weight, params) && Cut(out.numel() / out.dim(3), out.dim(3)).column_tasks == 1;
  const Scratch<BFloat16> rounded(exec, static_cast<std::size_t>(tasks_round ? 0 : in.numel()));
  const Scratch<BFloat16> zeros(exec, channels);
  std::fill_n(zeros.data(), channels, BFloat16());
  if (!tasks_round) round_map(in, rounded.data());
  const RoundedMap map{tasks_round ? nullptr : rounded.data(), zeros.data()};
  for (const GatherPhase& phase :
       gather_phases(direction, params, weight[1], weight[2], out.dim(1), out.dim(2))) {
    const std::int64_t pixels = in.dim(0) * phase.rows * phase.cols;
    if (pixels > 0) {
      const Cut cut(pixels, out.dim(3));
      parallel_for(cut.pixel_tasks * cut.column_tasks, 1, [&](std::int64_t i, std::int64_t) {
        Task(exec, phase, cut, in, out, tasks_round).run(i, map, packed, epilogue);
      });
    }
    packed += phase_numel(phase, weight);
  }
}

}  // namespace

bool bf16_pays(const Shape& weight, DType dtype, const Conv2dParams& params) {
  return params.bf16 && dtype == DType::f32 && params.groups == 1 && weight[3] >= 16 &&
         weight[3] % 2 == 0 && params.stride <= 4 && bf16_available();
}

std::int64_t conv_bf16_packed_numel(GatherDirection direction, const Shape& weight,
                                    const Conv2dParams& params) {
  const WinogradPass pass = pass_of(direction);
  if (winograd_bf16_pays(pass, weight, params)) {
    return winograd_bf16_packed_numel(pass, weight, params) / 2;
  }
  std::int64_t numel = 0;
  for (const GatherPhase& phase : all_phases(direction, params, weight)) {
    numel += phase_numel(phase, weight);
  }
  return numel / 2;
}

void conv_bf16_pack(const Exec& exec, GatherDirection direction, ConstView weight,
                    const Conv2dParams& params, View packed) {
  const WinogradPass pass = pass_of(direction);
  auto* to = static_cast<BFloat16*>(packed.pointer);
  if (winograd_bf16_pays(pass, weight.shape, params)) {
    winograd_bf16_pack(exec, pass, weight, params, to);
  } else {
    gather_pack_bf16(direction, weight, params, to);
  }
}

void conv_bf16_product(const Exec& exec, GatherDirection direction, ConstView in,
                       const Shape& weight, ConstView packed, const ConvEpilogue& epilogue,
                       const Conv2dParams& params, View out) {
  if (out.numel() == 0) return;
  const WinogradPass pass = pass_of(direction);
  const auto* from = static_cast<const BFloat16*>(packed.pointer);
  if (winograd_bf16_pays(pass, weight, params)) {
    winograd_bf16_product(exec, pass, in, weight, from, epilogue, params, out);
  } else {
    gather_product_bf16(exec, direction, in, weight, from, epilogue, params, out);
  }
}

}  // namespace akimbo::kernels::cpu
