// What the precision settings of a config (train.precision, eval.precision) mean.
#pragma once

#include <string>

#include "config/config.h"
#include "engine/core/device.h"
#include "engine/core/tensor.h"

namespace akimbo {

// Throws ConfigError when the device cannot compute so; `setting` is the config's key.
void check_precision(const char* setting, const std::string& precision, Device device);

// Of the activations: f32 for f32 and tf32.
[[nodiscard]] DType activation_dtype(const std::string& precision);

// Kernels compute as the config says from now on; the deterministic mode stays as it is.
void use_training_mode(const TrainConfig& config);
void use_inference_mode(const EvalConfig& config);

}  // namespace akimbo
