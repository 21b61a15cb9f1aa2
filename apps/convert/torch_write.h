// Writes checkpoints that PyTorch opens, torch.load(..., weights_only=True) included.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/safetensors.h"

namespace akimbo::convert {

// The record of the archive that holds our metadata, an object of texts.
inline constexpr const char* kMetadataRecord = "akimbo.json";

// A zip checkpoint (PyTorch 1.6 and newer) holding an OrderedDict from name to tensor, in the order
// given, elements and axes as they are (layouts.h turns them). Metadata, if any, go into a record
// of their own, which PyTorch passes over. Atomic. Throws ArgumentError for a name given twice,
// FileError when writing fails.
void write_torch_file(const std::filesystem::path& path, const io::NamedTensors& tensors,
                      const io::Metadata& metadata = {});

// The state_dict() of a PyTorch optimizer with one group of parameters.
struct TorchOptimizer {
  struct Parameter {
    std::int64_t step = 0;
    io::NamedTensors slots;  // "exp_avg", "exp_avg_sq"; "momentum_buffer"
  };
  std::vector<Parameter> parameters;                     // in the network's order
  std::vector<std::pair<std::string, double>> settings;  // of the group: "lr", "eps" ...
  std::vector<std::pair<std::string, bool>> switches;    // "amsgrad", "nesterov"
  std::optional<std::pair<double, double>> betas;
};

// A checkpoint as HRNet's training code writes it, to go on with there.
struct TorchTraining {
  int epoch = 0;  // the next one
  std::string model;
  double perf = 0;
  io::NamedTensors weights;
  TorchOptimizer optimizer;
};

// {"epoch", "model", "state_dict" (names begin with "module."), "best_state_dict", "perf",
// "optimizer"}; else as write_torch_file.
void write_torch_training(const std::filesystem::path& path, const TorchTraining& training,
                          const io::Metadata& metadata = {});

}  // namespace akimbo::convert
