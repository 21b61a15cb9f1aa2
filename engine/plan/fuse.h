// Rewriting a program so that it touches memory less often. Sums may be added in another order:
// results differ by rounding.
#pragma once

#include "engine/plan/program.h"

namespace akimbo::plan {

// - relu(add(..)) into the step that makes the sum;
// - add(a, resize(b)) into one pass over a ("resize_add");
// - add(a, z) into the epilogue of a convolution that ends in a: where a is itself a chain of
//   convolutions with residuals, z becomes the residual of the first.
void fuse(Program& program);

}  // namespace akimbo::plan
