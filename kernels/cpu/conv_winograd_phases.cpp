#include "kernels/cpu/conv_winograd_phases.h"

#include <algorithm>

#include "kernels/common/divide.h"
#include "kernels/common/parallel.h"

namespace akimbo::kernels::cpu {

std::vector<WinogradPhase> winograd_phases(WinogradPass pass, const WinogradForm& form,
                                           std::int64_t padding, std::int64_t out_rows,
                                           std::int64_t out_cols) {
  const auto whole = [&](std::int64_t in_first, std::int64_t tap_first, std::int64_t tap_step) {
    return std::vector<WinogradPhase>{{form,
                                       1,
                                       1,
                                       tap_step,
                                       {out_rows, 0, in_first, tap_first},
                                       {out_cols, 0, in_first, tap_first}}};
  };
  if (pass == WinogradPass::conv) return whole(-padding, 0, 1);
  if (pass == WinogradPass::conv_input_grad) return whole(padding - 2, 2, -1);
  std::vector<WinogradPhase> phases;
  // With stride 2 and padding 1, big = 2 small - 1 + k: the even rows read k = 3 and 1 of the rows
  // above and at their own half, the odd ones k = 2 and 0 of the rows at and below it.
  const auto axis = [](std::int64_t extent, std::int64_t r) {
    return WinogradAxis{(extent - r + 1) / 2, r, r - 1, 3 - r};
  };
  // Going back, a small row reads k = 1 and 3 of the even rows 2 small and 2 small + 2, and k = 0
  // and 2 of the odd rows on either side of the former.
  const auto back = [](std::int64_t extent, std::int64_t r) {
    return WinogradAxis{extent, 0, -r, 1 - r};
  };
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < 2; ++c) {
      if (pass == WinogradPass::conv_transpose) {
        phases.push_back({form, 2, 1, -2, axis(out_rows, r), axis(out_cols, c)});
      } else {
        phases.push_back({form, 1, 2, 2, back(out_rows, r), back(out_cols, c)});
      }
    }
  }
  return phases;
}

bool winograd_sums_phases(WinogradPass pass) {
  return pass == WinogradPass::conv_transpose_input_grad;
}

WinogradTiles::WinogradTiles(const WinogradPhase& phase, ConstView x, View y)
    : phase_(phase),
      x_(x),
      y_(y),
      rows_(divide_up(phase.row.extent, phase.form.outputs)),
      cols_(divide_up(phase.col.extent, phase.form.outputs)),
      count_(y.dim(0) * rows_ * cols_) {}

WinogradTiles::Place WinogradTiles::place(std::int64_t tile) const {
  const std::int64_t line = tile / cols_, side = phase_.form.outputs, image = line / rows_;
  return {image, (line - image * rows_) * side, (tile - line * cols_) * side};
}

template <typename T>
void WinogradTiles::pixels(std::int64_t tile, const T* zeros, const T** pixels) const {
  const Place at = place(tile);
  const std::int64_t rows = x_.dim(1), cols = x_.dim(2), channels = x_.dim(3);
  const T* image = x_.data<T>() + at.image * rows * cols * channels;
  const std::int64_t step = phase_.in_step, span = phase_.form.side() * step;
  const std::int64_t top = at.row * step + phase_.row.in_first;
  const std::int64_t left = at.col * step + phase_.col.in_first;
  for (std::int64_t r = top; r < top + span; r += step) {
    const bool row_inside = r >= 0 && r < rows;
    const T* pixel = image + (r * cols + left) * channels;
    for (std::int64_t c = left; c < left + span; c += step, pixel += step * channels) {
      *pixels++ = row_inside && c >= 0 && c < cols ? pixel : zeros;
    }
  }
}

template <typename T>
WinogradOutput<T> WinogradTiles::outputs(std::int64_t tile, std::int64_t n,
                                         const ConvEpilogue& epilogue) const {
  const Place at = place(tile);
  const std::int64_t row = phase_.row.first + at.row * phase_.step;
  const std::int64_t col = phase_.col.first + at.col * phase_.step;
  const std::int64_t channels = y_.dim(3), cols = y_.dim(2);
  const std::int64_t offset = ((at.image * y_.dim(1) + row) * cols + col) * channels + n;
  return {.y = y_.data<T>() + offset,
          .residual = epilogue.residual ? epilogue.residual.data<T>() + offset : nullptr,
          .row_step = phase_.step * cols * channels,
          .col_step = phase_.step * channels,
          .rows = std::min<std::int64_t>(phase_.form.outputs, phase_.row.extent - at.row),
          .cols = std::min<std::int64_t>(phase_.form.outputs, phase_.col.extent - at.col),
          .scale = epilogue.scale ? epilogue.scale.data<T>() + n : nullptr,
          .shift = epilogue.shift ? epilogue.shift.data<T>() + n : nullptr,
          .relu = epilogue.relu};
}

template <typename T>
void winograd_phase_weight(const WinogradPhase& phase, ConstView weight, T* u) {
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

template void WinogradTiles::pixels(std::int64_t, const float*, const float**) const;
template void WinogradTiles::pixels(std::int64_t, const double*, const double**) const;
template WinogradOutput<float> WinogradTiles::outputs(std::int64_t, std::int64_t,
                                                      const ConvEpilogue&) const;
template WinogradOutput<double> WinogradTiles::outputs(std::int64_t, std::int64_t,
                                                       const ConvEpilogue&) const;
template void winograd_phase_weight(const WinogradPhase&, ConstView, float*);
template void winograd_phase_weight(const WinogradPhase&, ConstView, double*);

}  // namespace akimbo::kernels::cpu
