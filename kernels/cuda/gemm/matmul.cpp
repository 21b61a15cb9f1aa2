// Matrix products on CUDA devices.
#include "kernels/matmul.h"

#include "kernels/cuda/conv/conv_provider.h"

namespace akimbo::kernels::cuda {

void matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params, View y) {
  provide_matmul(exec, a, b, params, y);
}

}  // namespace akimbo::kernels::cuda
