#include "apps/common/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "config/parts.h"
#include "datasets/registry.h"
#include "engine/core/threads.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// On the CPU making a batch is far cheaper than learning from it, and more workers would only
// disturb the kernels. A GPU leaves the CPU to them, but for the thread that gives it its work.
int num_workers(const Config& config, Device device) {
  if (config.data.workers > 0) return config.data.workers;
  return std::max(1, device.is_cuda() ? num_threads() - 1 : num_threads() / 4);
}

datasets::BatchOrder order_of(const Config& config, Device device) {
  return {.workers = num_workers(config, device),
          .pinned = device.is_cuda(),
          .packed = device.is_cuda() && config.data.crop_on == "device"};
}

// One for all sets of the process that keep pictures in the folder, so that the limit holds.
std::shared_ptr<datasets::DiskCache> disk_cache(const DataConfig& data) {
  if (data.disk_cache.empty()) return nullptr;
  static std::map<std::string, std::weak_ptr<datasets::DiskCache>> known;
  std::weak_ptr<datasets::DiskCache>& place = known[data.disk_cache];
  if (auto cache = place.lock()) return cache;
  const auto bytes = static_cast<std::int64_t>(data.disk_cache_gb * (1 << 30));
  auto cache = std::make_shared<datasets::DiskCache>(data.disk_cache, bytes);
  place = cache;
  return cache;
}

datasets::TopDownOptions sample_options(const Config& config, Use use) {
  const CropOptions crop = crop_options(config);
  datasets::TopDownOptions options{.codec = make_codec(config),
                                   .warp = crop.mode,
                                   .order = crop.order,
                                   .mean = crop.mean,
                                   .deviation = crop.deviation,
                                   .use_keypoint_weights = config.loss.use_keypoint_weights,
                                   .seed = config.train.seed,
                                   .scaled_decoding = config.data.scaled_decoding,
                                   .cache_bytes = std::int64_t{config.data.cache_mb} << 20,
                                   .disk_cache = disk_cache(config.data)};
  if (use == Use::train) {
    options.augment =
        datasets::AugmentOptions{.flip = config.augment.flip,
                                 .scale_factor = config.augment.scale_factor,
                                 .rotation_deg = config.augment.rotation_deg,
                                 .half_body_probability = config.augment.half_body_probability,
                                 .half_body_min_keypoints = config.augment.half_body_min_keypoints};
  }
  return options;
}

}  // namespace

fs::path data_path(const DataConfig& data, const std::string& path) {
  if (path.empty()) {
    throw_error<ConfigError>(
        "[data] the config names no annotations or no images for this; set "
        "data.train and data.val");
  }
  if (fs::path(path).is_absolute()) return path;
  if (data.root.empty()) {
    throw_error<ConfigError>("[data] the config does not say where {} is; pass --data DIR", path);
  }
  return fs::path(data.root) / path;
}

datasets::SetFiles set_files(const Config& config, const DatasetConfig& set) {
  const auto optional = [&](const std::string& path) {
    return path.empty() ? fs::path() : data_path(config.data, path);
  };
  return {.annotations = data_path(config.data, set.annotations),
          .boxes = optional(set.boxes),
          .ground_truth = optional(set.ground_truth)};
}

datasets::TopDownDataset open_dataset(const Config& config, const DatasetConfig& set,
                                      const Skeleton& skeleton, Use use) {
  const datasets::ReadOptions options{.num_keypoints = skeleton.num_keypoints(),
                                      .aspect = make_codec(config).aspect(),
                                      .padding = config.data.box_padding,
                                      .select = use == Use::train && config.data.select};
  datasets::PersonSet people = datasets::read_people(config.data.format, set_files(config, set),
                                                     options, config.eval.box_threshold);
  return {std::move(people), datasets::ImageSource::open(data_path(config.data, set.images)),
          skeleton, sample_options(config, use)};
}

datasets::BatchOrder train_order(const Config& config, Device device, std::int64_t epoch,
                                 std::int64_t first_batch) {
  datasets::BatchOrder order = order_of(config, device);
  order.batch_size = config.train.batch_size;
  order.shuffle = config.train.shuffle;
  order.seed = config.train.seed;
  order.epoch = epoch;
  order.first_batch = first_batch;
  return order;
}

datasets::BatchOrder eval_order(const Config& config, Device device) {
  datasets::BatchOrder order = order_of(config, device);
  order.batch_size = config.eval.batch_size;
  return order;
}

void print_cache_problem(const datasets::TopDownDataset& dataset) {
  const auto& cache = dataset.options().disk_cache;
  if (cache == nullptr || cache->problem().empty()) return;
  fmt::print(stderr, "data.disk_cache: nothing more is kept there: {}\n", cache->problem());
}

datasets::SuppressionOptions suppression_options(const EvalConfig& config) {
  return {.visibility_threshold = config.keypoint_threshold,
          .oks_threshold = config.nms_oks,
          .soft = config.soft_nms};
}

}  // namespace akimbo::apps
