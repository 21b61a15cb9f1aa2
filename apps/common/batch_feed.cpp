#include "apps/common/batch_feed.h"

namespace akimbo::apps {

BatchFeed::BatchFeed(const datasets::TopDownDataset& dataset, const datasets::BatchOrder& order,
                     Device device)
    : device_(device),
      dataset_(dataset),
      loader_(dataset, order),
      uploader_(device),
      crop_timer_(device, Stage::crop),
      target_timer_(device, Stage::target) {
  if (order.packed) cropper_.emplace(dataset.cropper(), device);
}

bool BatchFeed::has_next() const { return uploader_.has_started() || loader_.has_next(); }

void BatchFeed::fetch() {
  fetched_ = loader_.next();
  if (fetched_.crops == nullptr) {
    uploader_.start({fetched_.input, fetched_.target, fetched_.weight});
  } else {
    uploader_.start({{fetched_.crops->block(), fetched_.crops->used_bytes()},
                     fetched_.joints_crop,
                     fetched_.weight});
  }
}

DeviceBatch BatchFeed::next() {
  if (!uploader_.has_started()) fetch();
  std::vector<Tensor> tensors = uploader_.take();
  if (fetched_.crops != nullptr) return unpack(tensors[0], tensors[1], tensors[2]);
  return {std::move(fetched_), tensors[0], tensors[1], tensors[2]};
}

DeviceBatch BatchFeed::unpack(const Tensor& block, const Tensor& joints_crop, Tensor& weight) {
  DeviceBatch batch;
  batch.host = std::move(fetched_);
  crop_timer_.begin();
  batch.input = cropper_->cut(*batch.host.crops, block);
  crop_timer_.end();
  target_timer_.begin();
  batch.target = encode_heatmaps(dataset_.options().codec, joints_crop, weight, DType::f32,
                                 dataset_.loss_weights());
  target_timer_.end();
  batch.weight = weight;
  return batch;
}

void BatchFeed::prefetch() {
  if (device_.is_cuda() && !uploader_.has_started() && loader_.has_next()) fetch();
}

}  // namespace akimbo::apps
