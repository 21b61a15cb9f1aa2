// Contract of moving elements: every layout op (slice, concat, flip, permute, pad) is one strided
// copy. Elements are moved as bytes, so any dtype will do.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// A walk over a tensor: element (i_0, i_1, ...) of the walk is at offset + sum_k i_k stride[k],
// in elements. Strides may be negative or zero.
struct StridedWalk {
  std::int64_t offset = 0;
  std::array<std::int64_t, Shape::kMaxRank> stride{};
};

// y[walk_y(i)] = x[walk_x(i)] for all i in `extents`. x and y have one dtype and do not overlap;
// walk_y meets no element twice.
using StridedCopy = void(const Exec&, ConstView x, const StridedWalk& walk_x, const Shape& extents,
                         View y, const StridedWalk& walk_y);

// All elements of y become `value`.
using FillForward = void(const Exec&, double value, View y);

// x [outer, A, inner], index i64 [B] in [0, A), y [outer, B, inner]: y[o,b,i] = x[o,index[b],i].
using IndexSelectForward = void(const Exec&, ConstView x, ConstView index, View y);
// grad_x[o,a,i] = sum of grad_y[o,b,i] over b with index[b] = a, in the order of b; f32, f64, and
// on CUDA bf16 or f16, summed in f32.
using IndexSelectInputGrad = void(const Exec&, ConstView grad_y, ConstView index, View grad_x);

namespace cpu {
StridedCopy strided_copy;
FillForward fill_forward;
IndexSelectForward index_select_forward;
IndexSelectInputGrad index_select_input_grad;
}  // namespace cpu

namespace cuda {
StridedCopy strided_copy;
FillForward fill_forward;
IndexSelectForward index_select_forward;
IndexSelectInputGrad index_select_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
