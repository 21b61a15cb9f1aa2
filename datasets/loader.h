// Batches of a data set, made ahead of their use by worker threads. Which sample stands where in
// which batch depends on (seed, epoch) only, never on the number of workers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datasets/top_down.h"
#include "engine/core/tensor.h"

namespace akimbo::datasets {

struct Batch {
  Tensor input;                        // [N, H, W, 3] f32
  Tensor target;                       // [N, h, w, K] f32
  Tensor weight;                       // [N, K] f32; of a packed batch as annotated
  std::shared_ptr<PackedCrops> crops;  // of a packed batch, in place of input
  Tensor joints_crop;                  // [N, K, 2] f64, in place of target
  std::vector<SampleMeta> samples;     // [N]
  std::int64_t index = 0;              // in the epoch
};

struct BatchOrder {
  std::int64_t batch_size = 32;
  bool shuffle = false;
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;        // of shuffling and augmentation
  std::int64_t first_batch = 0;  // where a resumed epoch goes on
  int workers = 1;               // 0: batches are made by the caller of next()
  bool pinned = false;           // in memory that a GPU copies from beside its work
  bool packed = false;           // a GPU will cut the crops and draw the targets
  int prefetch = 3;              // batches in memory at once, beside the one in use
};

// The order of the samples of an epoch: 0 .. size - 1, shuffled by (seed, epoch) if asked.
[[nodiscard]] std::vector<std::int64_t> epoch_order(std::int64_t size, const BatchOrder& order);

class BatchLoader {
 public:
  // The data set must outlive the loader. Throws ArgumentError for a batch size below 1.
  BatchLoader(const TopDownDataset& dataset, const BatchOrder& order);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  [[nodiscard]] std::int64_t num_batches() const;  // of the epoch, those before first_batch too
  [[nodiscard]] bool has_next() const;
  // The next batch; waits for it. Rethrows what a worker threw, the first sample's if several did;
  // the loader is of no use after that. Throws ArgumentError after the last batch.
  [[nodiscard]] Batch next();
  // Time that next() has spent waiting so far.
  [[nodiscard]] double waited_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akimbo::datasets
