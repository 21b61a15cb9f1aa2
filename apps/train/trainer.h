// From config to checkpoint: epochs of steps, a validation after each, and everything that may
// interrupt them.
#pragma once

#include <filesystem>
#include <string>

#include "config/config.h"
#include "engine/core/device.h"

namespace akimbo::apps {

struct TrainOptions {
  std::filesystem::path out;
  std::string init;              // weights to begin from; empty: fresh ones
  bool color_is_chosen = false;  // data.color was set on the command line (load_weights.h)
  bool resume = false;           // go on from OUT/checkpoint_last.safetensors
  Device device;
};

// Returns kExitDone, or kExitInterrupt / kExitTerminate after a signal, everything being saved
// then. Throws NumericError when the loss is no number, OutputError when something cannot be
// written.
int train(const Config& config, const TrainOptions& options);

}  // namespace akimbo::apps
