// Options that every subcommand which computes has.
#pragma once

#include <string>

#include "apps/command.h"
#include "engine/core/device.h"

namespace akimbo::apps {

struct RunOptions {
  std::string device = "auto";
  int threads = 0;

  void declare(Options& options);
  // Sets the number of threads; returns the device. Throws DeviceError when it is not there.
  [[nodiscard]] Device apply() const;
};

}  // namespace akimbo::apps
