// Options that every subcommand which computes has.
#pragma once

#include <string>

#include "apps/command.h"
#include "config/config.h"
#include "engine/core/device.h"

namespace akimbo::apps {

struct RunOptions {
  std::string device = "auto";
  int threads = 0;
  bool deterministic = false;
  bool exact = false;
  std::string precision;  // empty: the config's

  void declare(Options& options);
  // --precision, for commands that predict.
  void declare_precision(Options& options);
  // Sets the number of threads and the compute mode; returns the device. Throws DeviceError that
  // says why when it is not there.
  [[nodiscard]] Device apply() const;
  // What of it is a setting of the config too.
  void adjust(Config& config) const;
};

// Says once on stderr what the device does in place of eval.precision.
void say_precision(const EvalConfig& config, Device device);

}  // namespace akimbo::apps
