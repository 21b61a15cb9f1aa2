// Sums over the rows of a matrix in a fixed order: bias gradients, and the sums behind batch norm.
#pragma once

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels::cuda {

// sums [P, C]: part p is the sum of x [M, C] over the p-th of P runs of rows. Sums may be
// of any floating dtype; they are taken in f32 (f64 of f64).
void column_sums(const Exec& exec, ConstView x, View sums);

// sums [P, 2, C]: the same of x and of its squares.
void column_sums_and_squares(const Exec& exec, ConstView x, View sums);

// sums [C] over all rows, in two steps so that the rows are spread over the device.
void total_column_sums(const Exec& exec, ConstView x, View sums);

}  // namespace akimbo::kernels::cuda
