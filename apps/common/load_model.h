// MODEL|CONFIG of the command line, as a network ready to predict.
#pragma once

#include <string>
#include <vector>

#include "apps/command.h"
#include "config/config.h"
#include "inference/model.h"

namespace akimbo::apps {

struct LoadedModel : Model {
  std::string weights_path;        // empty: fresh weights
  std::vector<std::string> notes;  // what was loaded and how, for the user
};

struct ModelSource {
  std::string model;  // a checkpoint (ours or PyTorch's), a config file, or a shipped config's name
  std::string config;  // of a checkpoint: in place of the one that it carries, if any
  std::string init;    // weights for a config
  std::vector<std::string> overrides;  // --set

  // --config, --init and --set of a command that takes MODEL.
  void declare(Options& options);
};

// Throws ConfigError when a config comes without weights and `needs_weights`, and when checkpoint
// and config disagree about the order of colours; FileError when a checkpoint comes without a
// config or does not fit it.
[[nodiscard]] LoadedModel load_model(const ModelSource& source, Device device = kCpu,
                                     bool needs_weights = true);

// The config and skeleton that load_model would take; weights are not read into a network.
[[nodiscard]] LoadedModel load_model_config(const ModelSource& source);

// load_model's notes on stderr.
void print_notes(const LoadedModel& model);

}  // namespace akimbo::apps
