// Convolution as a gathering product: each output pixel sums over taps, each tap reads one input
// pixel. Forward convolution is one such product. A pass whose output is the big map (input
// gradient, transposed convolution) is stride * stride of them, one for each phase of the output
// pixel within the stride, with the taps that reach that phase: no zeros are ever multiplied in.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv.h"

namespace akimbo::kernels::cpu {

enum class GatherDirection { small_to_big, big_to_small };  // from output pixel to input pixel

// Which index of the weight [O, kh, kw, C] is summed over.
enum class GatherSum { inputs, outputs };

struct GatherTap {
  std::int64_t row, col;  // input pixel = output position * in_step + this
  std::int64_t index;     // ky * kw + kx
};

// Output pixels (first + i * step) along each axis, i < extent, and their taps.
struct GatherPhase {
  std::int64_t row_first, col_first, rows, cols, step;
  std::int64_t in_step;
  std::vector<GatherTap> taps;
};

// The phases of a pass. Those with the same taps could be one; with stride 1 there is one anyway.
[[nodiscard]] std::vector<GatherPhase> gather_phases(GatherDirection direction,
                                                     const Conv2dParams& params, std::int64_t kh,
                                                     std::int64_t kw, std::int64_t out_rows,
                                                     std::int64_t out_cols);

// Elements of the packed weight for all phases and groups. The phases differ in taps only, and the
// taps of all phases together are all taps: the output size does not matter.
[[nodiscard]] std::int64_t gather_packed_numel(GatherDirection direction, GatherSum sum,
                                               const Shape& weight, DType dtype,
                                               const Conv2dParams& params);
void gather_pack(GatherDirection direction, GatherSum sum, ConstView weight,
                 const Conv2dParams& params, View packed);

// `packed` as gather_pack made it; weight is its shape before.
void gather_product(const Exec& exec, GatherDirection direction, GatherSum sum, ConstView in,
                    const Shape& weight, ConstView packed, const ConvEpilogue& epilogue,
                    const Conv2dParams& params, View out);

}  // namespace akimbo::kernels::cpu
