// What a model file of ours (safetensors) says beside the weights: enough to predict with it. Keys
// of the metadata: "format" = "akimbo", "config" and "skeleton" (JSON texts), "training" (JSON
// text, checkpoints only). Weights stand under their published names; a checkpoint also holds
// "optimizer.*" and, with averaged weights, "average.*".
#pragma once

#include <string>

#include "config/config.h"
#include "engine/io/safetensors.h"
#include "engine/pose/skeleton.h"

namespace akimbo {

inline constexpr const char* kOptimizerPrefix = "optimizer.";
inline constexpr const char* kAveragePrefix = "average.";

struct ModelInfo {
  Config config;
  Skeleton skeleton;
  Json training;  // where training stood; null in a file of weights alone
};

[[nodiscard]] io::Metadata model_metadata(const ModelInfo& info);

// Of the metadata of the file at `where`. Throws FileError when they hold no config of ours or a
// damaged one.
[[nodiscard]] ModelInfo read_model_info(const io::Metadata& metadata, const std::string& where);

// The weights to predict with: the averaged ones where the file has them.
[[nodiscard]] io::NamedTensors read_weights(const io::SafetensorsFile& file);

}  // namespace akimbo
