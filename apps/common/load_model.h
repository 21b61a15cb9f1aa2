// MODEL|CONFIG of the command line, as a network ready to predict.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/common/network.h"
#include "apps/config/config.h"

namespace akimbo::apps {

struct LoadedModel {
  Config config;
  Skeleton skeleton;
  std::unique_ptr<models::Network> network;  // on the device, in evaluation mode
  std::string weights_path;                  // empty: fresh weights
};

struct ModelSource {
  std::string model;  // a model file of ours, a config file, or the name of a shipped config
  std::string init;   // weights for a config
  std::vector<std::string> overrides;  // --set
};

// Throws ConfigError when a config comes without weights and `needs_weights`.
[[nodiscard]] LoadedModel load_model(const ModelSource& source, Device device = kCpu,
                                     bool needs_weights = true);

}  // namespace akimbo::apps
