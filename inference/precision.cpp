#include "inference/precision.h"

#include "engine/core/error.h"

namespace akimbo {

namespace {

bool is_half(const std::string& precision) { return precision == "bf16" || precision == "f16"; }

}  // namespace

void check_training_precision(const std::string& precision, Device device) {
  if (device.is_cuda() || !is_half(precision)) return;
  throw_error<ConfigError>(
      "[config] train.precision is {}, but the CPU trains in f32: {} needs a GPU. Use --device "
      "cuda where there is one, or --set train.precision=f32",
      precision, precision);
}

void check_inference_precision(const std::string& precision, Device device) {
  if (device.is_cuda() || !is_half(precision)) return;
  if (precision == "f16") {
    throw_error<ConfigError>(
        "[config] eval.precision is f16, but the CPU predicts in f32 or bf16: f16 needs a GPU. Use "
        "--device cuda where there is one, or --precision bf16");
  }
}

std::string precision_note(const std::string& precision, Device device, bool has_bf16) {
  if (device.is_cuda() || precision != "bf16" || has_bf16) return "";
  return "this CPU has no bf16 instructions (AVX512-BF16); predicting in f32";
}

DType activation_dtype(const std::string& precision, Device device) {
  if (device.is_cpu()) return DType::f32;
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
  mode.bf16_inference = config.precision == "bf16";
  set_compute_mode(mode);
}

}  // namespace akimbo
