// cuBLASLt as a second provider of matrix products; opened at run time, like cuDNN.
#pragma once

#include <string>

#include "kernels/matmul.h"

namespace akimbo::kernels::cuda::vendor {

// "" when it can be used.
[[nodiscard]] std::string cublaslt_unavailable_reason();
// Whether the library is there and takes the dtype and sizes.
[[nodiscard]] bool cublaslt_takes(ConstView a, ConstView b, ConstView y);
// Throws DeviceFailure when cuBLASLt refuses.
Matmul cublaslt_matmul;

}  // namespace akimbo::kernels::cuda::vendor
