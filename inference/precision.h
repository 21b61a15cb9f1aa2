// What the precision settings of a config (train.precision, eval.precision) mean.
#pragma once

#include <string>

#include "config/config.h"
#include "engine/core/device.h"
#include "engine/core/tensor.h"

namespace akimbo {

// train.precision, eval.precision: throw ConfigError when the device cannot compute so.
void check_training_precision(const std::string& precision, Device device);
void check_inference_precision(const std::string& precision, Device device);

// What the device does in place of what eval.precision asks for, in words for the user: a CPU
// without bf16 instructions predicts in f32. "": it does as it is told.
[[nodiscard]] std::string precision_note(const std::string& precision, Device device,
                                         bool has_bf16 = cpu_has_bf16());

// Of the activations: f32 for f32 and tf32, and always on the CPU.
[[nodiscard]] DType activation_dtype(const std::string& precision, Device device);

// Kernels compute as the config says from now on; the deterministic mode stays as it is.
void use_training_mode(const TrainConfig& config);
void use_inference_mode(const EvalConfig& config);

}  // namespace akimbo
