// Contract of the affine warp of 8-bit pictures, alone and fused with normalisation. Bilinear;
// neighbours outside the source count as 0 each.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// exact: positions on a grid of 1/32 pixel and results rounded to 8 bits, by the integer rule of
// OpenCV's warpAffine up to 4.x (bit for bit). fast: a grid of 1/128 pixel and, in the fused form,
// no rounding to 8 bits: closer to true bilinear interpolation, and quicker.
enum class WarpRule : std::uint8_t { exact, fast };

struct WarpParams {
  // Source to destination, rows m00 m01 m02 and m10 m11 m12; inverted by the kernel. A singular
  // matrix reads source pixel (0, 0) everywhere. All elements finite.
  std::array<double, 6> matrix{};
  WarpRule rule = WarpRule::exact;
  // Read the source as if its columns stood in reverse order.
  bool mirror = false;
  // Where the source's first pixel (after mirroring) stands in the frame that the matrix maps from:
  // not at (0, 0) when the source is the window of a larger picture that a crop reads. Positions
  // are found in that frame and moved by whole pixels, so that a window gives the bits of the
  // whole.
  std::int32_t origin_x = 0, origin_y = 0;
};

// x u8 [H, W, C], y u8 [h, w, C]; sides 1 to 2^24, C 1 to 4. No aliasing.
using WarpForward = void(const Exec&, ConstView x, const WarpParams&, View y);

struct CropParams {
  WarpParams warp;
  // exact: value v of output channel c becomes table[256 c + v]; the table [3, 256] lies in the
  // memory of the device. fast: v * scale[c] + shift[c]. Channels count in the order of the output.
  const float* table = nullptr;
  std::array<float, 3> scale{};
  std::array<float, 3> shift{};
  bool swap_red_blue = false;  // output channel c is source channel 2 - c
};

// x u8 [H, W, 3], y f32 [h, w, 3] (on CUDA also bf16 or f16, rounded from f32); one picture into
// its slot of a batch.
using CropForward = void(const Exec&, ConstView x, const CropParams&, View y);

struct CropItem {
  ConstView picture;  // u8 [H, W, 3]
  CropParams params;
};
// Row i of y [N, h, w, 3] is the crop of items[i]; N items.
using CropBatchForward = void(const Exec&, std::span<const CropItem> items, View y);

namespace cpu {
WarpForward warp_forward;
CropForward crop_forward;
CropBatchForward crop_batch_forward;
// The rule of `exact` and `fast` one pixel at a time: the oracle of the fast paths.
WarpForward warp_forward_plain;
CropForward crop_forward_plain;
}  // namespace cpu

namespace cuda {
WarpForward warp_forward;
CropForward crop_forward;
CropBatchForward crop_batch_forward;
}  // namespace cuda

}  // namespace akimbo::kernels
