// In place of cublaslt.cpp where programs are built without its header, and under the emulator.
#include "kernels/common/device_failure.h"
#include "kernels/cuda/vendor/cublaslt.h"

namespace akimbo::kernels::cuda::vendor {

std::string cublaslt_unavailable_reason() { return "this program was built without cuBLASLt"; }
bool cublaslt_takes(ConstView, ConstView, ConstView) { return false; }
void cublaslt_matmul(const Exec&, ConstView, ConstView, const MatmulParams&, View) {
  throw DeviceFailure("[cublaslt] " + cublaslt_unavailable_reason());
}

}  // namespace akimbo::kernels::cuda::vendor
