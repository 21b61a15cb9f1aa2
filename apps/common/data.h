// The data sets that a config names.
#pragma once

#include <filesystem>
#include <string>

#include "config/config.h"
#include "datasets/loader.h"
#include "datasets/metrics/pose_results.h"
#include "datasets/registry.h"
#include "datasets/top_down.h"

namespace akimbo::apps {

// `path` below data.root, or as it is when absolute. Throws ConfigError when there is no root.
[[nodiscard]] std::filesystem::path data_path(const DataConfig& data, const std::string& path);

// Its files by their full paths.
[[nodiscard]] datasets::SetFiles set_files(const Config& config, const DatasetConfig& set);

enum class Use { train, evaluate };

// Training samples are augmented. Throws FileError for missing or damaged annotations, ConfigError
// for settings that name nothing.
[[nodiscard]] datasets::TopDownDataset open_dataset(const Config& config, const DatasetConfig& set,
                                                    const Skeleton& skeleton, Use use);

// Shuffled batches of an epoch from `first_batch` on, for a device: for a GPU packed, where
// data.crop_on says so.
[[nodiscard]] datasets::BatchOrder train_order(const Config& config, Device device,
                                               std::int64_t epoch, std::int64_t first_batch);
// All samples in the order of the set.
[[nodiscard]] datasets::BatchOrder eval_order(const Config& config, Device device);

// Tells the user on stderr when the disk cache of the set could not be written to.
void print_cache_problem(const datasets::TopDownDataset& dataset);

// How answers for one person are told from those for several.
[[nodiscard]] datasets::SuppressionOptions suppression_options(const EvalConfig& config);

}  // namespace akimbo::apps
