// In place of cudnn_*.cpp where programs are built without cuDNN's headers, and under the emulator.
#include "kernels/common/device_failure.h"
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/cuda/vendor/cudnn_batch_norm.h"
#include "kernels/cuda/vendor/cudnn_conv.h"

namespace akimbo::kernels::cuda::vendor {
namespace {

[[noreturn]] void refuse() { throw DeviceFailure("[cudnn] " + cudnn_unavailable_reason()); }

}  // namespace

std::string cudnn_version() { return ""; }
std::string cudnn_unavailable_reason() { return "this program was built without cuDNN"; }
std::vector<int> cudnn_algorithms(const Exec&, const GatherTask&) { return {}; }
std::vector<int> cudnn_algorithms(const Exec&, const WeightGradTask&) { return {}; }
void cudnn_gather(const Exec&, const GatherTask&, int) { refuse(); }
void cudnn_weight_grad(const Exec&, const WeightGradTask&, int) { refuse(); }

bool cudnn_takes(const BatchNormForwardArgs&, ConstView) { return false; }
bool cudnn_takes(const BatchNormTrainingArgs&) { return false; }
bool cudnn_takes(const BatchNormGradArgs&) { return false; }
void cudnn_batch_norm_forward(const Exec&, const BatchNormForwardArgs&, View) { refuse(); }
void cudnn_batch_norm_training(const Exec&, const BatchNormTrainingArgs&,
                               const BatchNormTrainingOutputs&) {
  refuse();
}
void cudnn_batch_norm_grad(const Exec&, const BatchNormGradArgs&) { refuse(); }

}  // namespace akimbo::kernels::cuda::vendor
