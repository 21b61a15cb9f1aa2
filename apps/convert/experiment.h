// Experiment files of the two published top-down repositories, as configs: Simple Baselines
// (microsoft/human-pose-estimation.pytorch) and HRNet
// (leoxiaobin/deep-high-resolution-net.pytorch).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::convert {

struct Experiment {
  std::string repository;  // "Simple Baselines" or "HRNet": their defaults differ
  Json config;             // what the file says, and the repository's defaults; checked
  // "KEY: what becomes of it" for every key that the config cannot hold.
  std::vector<std::string> not_honoured;
};

// Throws FileError for a file that cannot be read, ConfigError that names the key for values that
// no network or setting here can take.
[[nodiscard]] Experiment read_experiment(const std::filesystem::path& path);

}  // namespace akimbo::convert
