// In place of cudnn.cpp where programs are built without cuDNN's headers, and under the emulator.
#include "kernels/common/device_failure.h"
#include "kernels/cuda/vendor/cudnn.h"

namespace akimbo::kernels::cuda::vendor {

std::string cudnn_version() { return ""; }
std::string cudnn_unavailable_reason() { return "this program was built without cuDNN"; }
std::vector<int> cudnn_algorithms(const Exec&, const GatherTask&) { return {}; }
std::vector<int> cudnn_algorithms(const Exec&, const WeightGradTask&) { return {}; }
void cudnn_gather(const Exec&, const GatherTask&, int) {
  throw DeviceFailure("[cudnn] " + cudnn_unavailable_reason());
}
void cudnn_weight_grad(const Exec&, const WeightGradTask&, int) {
  throw DeviceFailure("[cudnn] " + cudnn_unavailable_reason());
}

}  // namespace akimbo::kernels::cuda::vendor
