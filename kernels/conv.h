// Contract of 2-D convolution and transposed convolution. Everything NHWC and contiguous, all
// operands of a pass of one dtype: f32, f64, and on CUDA bf16 or f16, whose vectors (scale, shift,
// sums) are f32, and whose gradients of weight and bias may be f32 too. Sums of 16-bit types are
// taken in f32. Weights have the summed channel of the forward pass last:
//   conv             w [O, kh, kw, C/groups]
//   transposed conv  w [O, kh, kw, I/groups]
// A convolution reads a big map and writes a small one; a transposed convolution the other way.
// Both tie the pixels  big = small * stride - padding + tap * dilation.
// Output channel o belongs to group o / (O / groups).
#pragma once

#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

struct Conv2dParams {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  // The CPU may use Winograd's algorithm: faster, with rounding errors a few times those of the
  // direct sum. A weight is packed for one choice.
  bool winograd = false;
  // With it: pixels of the small map, all images together, rounded as the caller likes. Where they
  // are many, a larger transformed weight pays. 0: few.
  std::int64_t pixels = 0;
  // The CPU may round the factors of the products of an f32 forward pass to bf16, where it has
  // instructions for that; sums and maps stay f32. A weight is packed for one choice.
  bool bf16 = false;
};

// What is done to a sum before it is stored: y = relu(sum * scale[o] + shift[o] + residual).
// Absent operands count as 1, 0 and 0.
struct ConvEpilogue {
  ConstView scale;     // [O]
  ConstView shift;     // [O]; a bias is a shift
  ConstView residual;  // shape of y; may be y itself on CUDA (the CPU keeps parts of sums in y)
  bool relu = false;
  // [P,2,O], or absent: sums over the p-th of P parts of y's pixels, [p,0,o] of y as it is stored
  // and [p,1,o] of its square; f32 (f64 for f64). What batch_norm_statistics_from_sums reads.
  // Which pixels make a part is the device's affair; P = 1 is the sum over all.
  View channel_sums;
};

// A weight, and optionally the same weight in the order that the device likes to read, made by
// *_pack_weight for the same parameters. Without it the forward pass packs into scratch memory.
// CUDA reads weights as they are and packs nothing.
struct ConvWeight {
  ConstView weight;
  ConstView packed;
};

// Elements of the packed form of a weight [O, kh, kw, I/groups]; 0 if the device does not pack.
using ConvPackedNumel = std::int64_t(const Shape& weight, DType dtype, const Conv2dParams&);
using ConvPackWeight = void(const Exec&, ConstView w, const Conv2dParams&, View packed);

// x [N,H,W,C], y [N,H',W',O]:
//   y(small, o) = sum over taps k and channels c of the group: x(big(small, k), c) w(o, k, c).
using Conv2dForward = void(const Exec&, ConstView x, const ConvWeight& w, const ConvEpilogue&,
                           const Conv2dParams&, View y);
// grad_x(big, c) = sum over (small, k) that read big, and o: grad_y(small, o) w(o, k, c).
using Conv2dInputGrad = void(const Exec&, ConstView grad_y, ConstView w, const Conv2dParams&,
                             View grad_x);
// The same plus `addend`, which has grad_x's shape: what other readers of x contributed. CPU only.
using Conv2dInputGradAdd = void(const Exec&, ConstView grad_y, ConstView w, ConstView addend,
                                const Conv2dParams&, View grad_x);
// grad_w(o, k, c) = sum over small: grad_y(small, o) x(big(small, k), c). Deterministic.
using Conv2dWeightGrad = void(const Exec&, ConstView x, ConstView grad_y, const Conv2dParams&,
                              View grad_w);

// x [N,H,W,I], y [N,H',W',O], H' given by the caller (output padding is part of it):
//   y(big, o) = sum over (small, k) that map to big, and i: x(small, i) w(o, k, i).
using ConvTranspose2dForward = void(const Exec&, ConstView x, const ConvWeight& w,
                                    const ConvEpilogue&, const Conv2dParams&, View y);
using ConvTranspose2dInputGrad = void(const Exec&, ConstView grad_y, ConstView w,
                                      const Conv2dParams&, View grad_x);
using ConvTranspose2dWeightGrad = void(const Exec&, ConstView x, ConstView grad_y,
                                       const Conv2dParams&, View grad_w);

// grad_bias[o] = sum of grad_y [..., O] over all but the last axis. Deterministic.
using ConvBiasGrad = void(const Exec&, ConstView grad_y, View grad_bias);

// Every pass: outputs are overwritten; no output may alias an input except as stated.
namespace cpu {
ConvPackedNumel conv2d_packed_numel;
ConvPackWeight conv2d_pack_weight;
Conv2dForward conv2d_forward;
Conv2dInputGrad conv2d_input_grad;
Conv2dInputGradAdd conv2d_input_grad_add;
Conv2dWeightGrad conv2d_weight_grad;
ConvPackedNumel conv_transpose2d_packed_numel;
ConvPackWeight conv_transpose2d_pack_weight;
ConvTranspose2dForward conv_transpose2d_forward;
ConvTranspose2dInputGrad conv_transpose2d_input_grad;
ConvTranspose2dWeightGrad conv_transpose2d_weight_grad;
ConvBiasGrad conv_bias_grad;

// Whether this CPU heeds Conv2dParams::bf16.
[[nodiscard]] bool bf16_available();

// The formulas as plain loops: the oracle of every other implementation.
Conv2dForward conv2d_forward_plain;
Conv2dInputGrad conv2d_input_grad_plain;
Conv2dWeightGrad conv2d_weight_grad_plain;
ConvTranspose2dForward conv_transpose2d_forward_plain;
ConvTranspose2dInputGrad conv_transpose2d_input_grad_plain;
ConvTranspose2dWeightGrad conv_transpose2d_weight_grad_plain;
}  // namespace cpu

namespace cuda {
ConvPackedNumel conv2d_packed_numel;
ConvPackWeight conv2d_pack_weight;
Conv2dForward conv2d_forward;
Conv2dInputGrad conv2d_input_grad;
Conv2dWeightGrad conv2d_weight_grad;
ConvPackedNumel conv_transpose2d_packed_numel;
ConvPackWeight conv_transpose2d_pack_weight;
ConvTranspose2dForward conv_transpose2d_forward;
ConvTranspose2dInputGrad conv_transpose2d_input_grad;
ConvTranspose2dWeightGrad conv_transpose2d_weight_grad;
ConvBiasGrad conv_bias_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
