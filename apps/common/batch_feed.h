// Batches of a data set on the device that computes with them, the next one on its way meanwhile.
#pragma once

#include <optional>

#include "datasets/loader.h"
#include "engine/core/device_timer.h"
#include "engine/core/uploader.h"

namespace akimbo::apps {

struct DeviceBatch {
  datasets::Batch host;          // as the loader made it
  Tensor input, target, weight;  // on the device, made there of what the loader packed, or the
                                 // same as the loader's; good until the second next()
};

class BatchFeed {
 public:
  // The data set must outlive the feed.
  BatchFeed(const datasets::TopDownDataset& dataset, const datasets::BatchOrder& order,
            Device device);

  [[nodiscard]] std::int64_t num_batches() const { return loader_.num_batches(); }
  [[nodiscard]] bool has_next() const;
  // Waits for the batch unless prefetch() has it already. Never waits for the device.
  [[nodiscard]] DeviceBatch next();
  // Called while a GPU computes: waits for the next batch, if there is one, and begins its copy. On
  // the CPU does nothing.
  void prefetch();

 private:
  void fetch();
  [[nodiscard]] DeviceBatch unpack(const Tensor& block, const Tensor& joints_crop, Tensor& weight);

  Device device_;
  const datasets::TopDownDataset& dataset_;
  datasets::BatchLoader loader_;
  Uploader uploader_;
  std::optional<DeviceCropper> cropper_;
  DeviceTimer crop_timer_, target_timer_;
  datasets::Batch fetched_;
};

}  // namespace akimbo::apps
