// What a checkpoint file holds: format, weights with statistics, training state, NaN.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/inspect/findings.h"
#include "engine/core/tensor.h"

namespace akimbo::apps {

struct TensorSummary {
  std::string name;
  std::string dtype;  // as stored
  std::vector<std::int64_t> shape;
  double min = 0, max = 0, mean = 0;  // over the finite elements
  std::int64_t num_nan = 0;
  std::int64_t num_inf = 0;
};

struct CheckpointReport {
  std::string file;
  std::string format;  // "safetensors", "PyTorch zip", "PyTorch legacy"
  std::uint64_t num_bytes = 0;
  std::string weights_key;  // where in a training checkpoint the weights are
  bool is_ours = false;
  std::vector<TensorSummary> tensors;
  std::int64_t num_parameters = 0;  // floating elements that are no running statistics
  Json facts = Json::object();      // the rest of the file: epoch, score, optimizer, metadata
  Findings findings;
};

[[nodiscard]] TensorSummary summarize(const std::string& name, const Tensor& tensor);

// Throws FileError when the file is no checkpoint or damaged.
[[nodiscard]] CheckpointReport inspect_checkpoint(const std::filesystem::path& path);

[[nodiscard]] Json to_json(const CheckpointReport& report);
[[nodiscard]] std::string to_text(const CheckpointReport& report);

}  // namespace akimbo::apps
