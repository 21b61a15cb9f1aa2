// From settings to the parts of engine and models that they name.
#pragma once

#include <memory>

#include "config/config.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "engine/pose/crop.h"
#include "engine/pose/heatmap_codec.h"
#include "engine/pose/skeleton.h"
#include "models/registry.h"

namespace akimbo {

// With fresh weights, drawn from train.seed.
[[nodiscard]] std::unique_ptr<models::Network> make_network(const Config& config,
                                                            const Skeleton& skeleton);
// Weights are zero until a file fills them; drawing them takes longer than reading the file.
[[nodiscard]] std::unique_ptr<models::Network> make_empty_network(const Config& config,
                                                                  const Skeleton& skeleton);
[[nodiscard]] HeatmapCodec make_codec(const Config& config);
// How the config wants crops made.
[[nodiscard]] CropOptions crop_options(const Config& config);
[[nodiscard]] std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerConfig& config,
                                                               optim::NamedTensors parameters);
[[nodiscard]] optim::ScheduleOptions make_schedule(const TrainConfig& config);

}  // namespace akimbo
