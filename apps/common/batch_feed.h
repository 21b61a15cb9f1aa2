// Batches of a data set on the device that computes with them, the next one on its way meanwhile.
#pragma once

#include "datasets/loader.h"
#include "engine/core/uploader.h"

namespace akimbo::apps {

struct DeviceBatch {
  datasets::Batch host;          // as the loader made it
  Tensor input, target, weight;  // the same on the device; good until the second next()
};

class BatchFeed {
 public:
  // The data set must outlive the feed.
  BatchFeed(const datasets::TopDownDataset& dataset, datasets::BatchOrder order, Device device);

  [[nodiscard]] std::int64_t num_batches() const { return loader_.num_batches(); }
  [[nodiscard]] bool has_next() const;
  // Waits for the batch unless prefetch() has it already.
  [[nodiscard]] DeviceBatch next();
  // Called while a GPU computes: waits for the next batch, if there is one, and begins its copy. On
  // the CPU does nothing.
  void prefetch();

 private:
  void fetch();

  Device device_;
  datasets::BatchLoader loader_;
  Uploader uploader_;
  datasets::Batch fetched_;
};

}  // namespace akimbo::apps
