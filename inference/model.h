// A trained network with what is needed to use it: settings and skeleton.
#pragma once

#include <filesystem>
#include <memory>

#include "config/config.h"
#include "engine/core/device.h"
#include "engine/pose/skeleton.h"
#include "models/network.h"

namespace akimbo {

struct Model {
  Config config;
  Skeleton skeleton;
  std::unique_ptr<models::Network> network;  // on its device, in evaluation mode
};

// A model file as `akimbo train` and `akimbo convert --config` write it. Throws FileError when it
// is damaged or none.
[[nodiscard]] Model read_model(const std::filesystem::path& path, Device device);

}  // namespace akimbo
