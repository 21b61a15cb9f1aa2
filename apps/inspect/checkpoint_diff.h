// What differs between the weights of two checkpoints, whatever their formats.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::apps {

struct TensorDiff {
  std::string name;
  double largest = 0;   // |a - b| of the elements; NaN counts as infinitely far from a number
  double relative = 0;  // the norm of a - b over the norm of a
};

struct CheckpointDiff {
  std::string a, b;                         // the files
  std::vector<std::string> only_a, only_b;  // names
  std::vector<std::string> mis_shaped;      // "name [2,3] [2,4]"
  std::vector<TensorDiff> changed;          // in the order of a
  std::int64_t num_equal = 0;               // tensors of the same elements
  Json config;  // settings that differ: {"/train/epochs": [140, 210]}; empty unless both have one

  [[nodiscard]] bool is_equal() const;
};

// Tensors are compared in the engine's axis order and as numbers: f32 1 equals f16 1. Training
// state is left out. Throws FileError when either is no checkpoint.
[[nodiscard]] CheckpointDiff diff_checkpoints(const std::filesystem::path& a,
                                              const std::filesystem::path& b);

[[nodiscard]] Json to_json(const CheckpointDiff& diff);
[[nodiscard]] std::string to_text(const CheckpointDiff& diff);

}  // namespace akimbo::apps
