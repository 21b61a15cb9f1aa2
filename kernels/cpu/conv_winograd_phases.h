// Where the blocks of Winograd's algorithm lie: of a 3x3 convolution with stride 1, a 4x4
// transposed convolution with stride 2, and their input gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/exec.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/conv_winograd_simd.h"

namespace akimbo::kernels::cpu {

// One product: all of a 3x3 convolution, or one of the four phases of a 4x4 transposed convolution
// with stride 2, which are 2x2 convolutions, or of its input gradient, which is their sum. Along
// each axis, output i of the phase is pixel first + i * step of y and reads the pixels i * in_step
// + in_first, (i + 1) * in_step + in_first, .. of x, by the taps tap_first, tap_first + tap_step,
// .. of the weight.
struct WinogradAxis {
  std::int64_t extent, first, in_first, tap_first;
};
struct WinogradPhase {
  WinogradForm form;
  std::int64_t step, in_step, tap_step;
  WinogradAxis row, col;
};

[[nodiscard]] std::vector<WinogradPhase> winograd_phases(WinogradPass pass,
                                                         const WinogradForm& form,
                                                         std::int64_t padding,
                                                         std::int64_t out_rows,
                                                         std::int64_t out_cols);

// True if the phases of a pass make the same outputs, which are their sums.
[[nodiscard]] bool winograd_sums_phases(WinogradPass pass);

// The blocks of one phase, of all images of y.
class WinogradTiles {
 public:
  WinogradTiles(const WinogradPhase& phase, ConstView x, View y);
  [[nodiscard]] std::int64_t count() const { return count_; }

  // The pixels that a block reads, form.points() of them; `zeros` stands for padding.
  template <typename T>
  void pixels(std::int64_t tile, const T* zeros, const T** pixels) const;
  // Columns from n on of the block's outputs, with the epilogue.
  template <typename T>
  [[nodiscard]] WinogradOutput<T> outputs(std::int64_t tile, std::int64_t n,
                                          const ConvEpilogue& epilogue) const;

 private:
  struct Place {
    std::int64_t image, row, col;  // of the block's first output
  };
  [[nodiscard]] Place place(std::int64_t tile) const;

  const WinogradPhase& phase_;
  ConstView x_;
  View y_;
  std::int64_t rows_, cols_, count_;
};

// u [points][O][I] of one phase, from the weight [O, side, side, I].
template <typename T>
void winograd_phase_weight(const WinogradPhase& phase, ConstView weight, T* u);

}  // namespace akimbo::kernels::cpu
