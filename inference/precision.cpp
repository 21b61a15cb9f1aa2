#include "inference/precision.h"

#include "engine/core/error.h"

namespace akimbo {

void check_precision(const char* setting, const std::string& precision, Device device) {
  if (device.is_cuda() || activation_dtype(precision) == DType::f32) return;
  throw_error<ConfigError>(
      "[config] {} is {}, but the CPU computes in f32: {} needs a GPU. Use --device cuda where "
      "there is one, or --set {}=f32",
      setting, precision, precision, setting);
}

DType activation_dtype(const std::string& precision) {
  if (precision == "bf16") return DType::bf16;
  if (precision == "f16") return DType::f16;
  return DType::f32;
}

void use_training_mode(const TrainConfig& config) {
  ComputeMode mode = compute_mode();
  mode.tf32 = config.precision == "tf32";
  mode.winograd_training = config.winograd;
  set_compute_mode(mode);
}

void use_inference_mode(const EvalConfig& config) {
  ComputeMode mode = compute_mode();
  mode.tf32 = config.precision == "tf32";
  mode.winograd_inference = config.winograd;
  set_compute_mode(mode);
}

}  // namespace akimbo
