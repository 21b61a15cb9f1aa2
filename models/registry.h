// Networks by name, built from the "model" section of a config.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "models/network.h"

namespace akimbo::models {

// section: {"name": "pose_resnet", ...options of that network}. The keypoint count comes from the
// skeleton. Throws ConfigError for an unknown name, key or value; a wrong key comes with the
// nearest known one. Parameters are not filled: call init() or load a checkpoint.
[[nodiscard]] std::unique_ptr<Network> build_network(const Json& section,
                                                     std::int64_t num_keypoints);

[[nodiscard]] std::vector<std::string> network_names();

// A section of `name` with every option at its default: what a config may say, and what it means to
// say nothing.
[[nodiscard]] Json default_section(const std::string& name);

// Side of the heatmaps that the network of this resolved section makes of an input of that side.
// Throws ConfigError for a side that the network does not take.
[[nodiscard]] std::int64_t heatmap_side(const Json& section, std::int64_t input_side);

}  // namespace akimbo::models
