// Our matrix products, whoever else offers some.
#pragma once

#include "kernels/matmul.h"

namespace akimbo::kernels::cuda {

Matmul own_matmul;

}  // namespace akimbo::kernels::cuda
