#include "apps/common/batch_feed.h"

namespace akimbo::apps {

namespace {

datasets::BatchOrder order_for(datasets::BatchOrder order, Device device) {
  order.pinned = device.is_cuda();
  return order;
}

}  // namespace

BatchFeed::BatchFeed(const datasets::TopDownDataset& dataset, datasets::BatchOrder order,
                     Device device)
    : device_(device), loader_(dataset, order_for(order, device)), uploader_(device) {}

bool BatchFeed::has_next() const { return uploader_.has_started() || loader_.has_next(); }

void BatchFeed::fetch() {
  fetched_ = loader_.next();
  uploader_.start({fetched_.input, fetched_.target, fetched_.weight});
}

DeviceBatch BatchFeed::next() {
  if (!uploader_.has_started()) fetch();
  const std::vector<Tensor> tensors = uploader_.take();
  return {std::move(fetched_), tensors[0], tensors[1], tensors[2]};
}

void BatchFeed::prefetch() {
  if (device_.is_cuda() && !uploader_.has_started() && loader_.has_next()) fetch();
}

}  // namespace akimbo::apps
