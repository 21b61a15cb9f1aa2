#include "datasets/image_cache.h"

namespace akimbo::datasets {

ImageCache::Picture ImageCache::get(const Key& key, const std::function<Image()>& decode) {
  std::promise<Picture> promise;
  {
    std::unique_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second.use);
      const std::shared_future<Picture> picture = found->second.picture;
      lock.unlock();
      return picture.get();
    }
    recent_.push_front(key);
    entries_.emplace(key, Entry{promise.get_future().share(), 0, recent_.begin()});
  }
  try {
    const auto picture = std::make_shared<const Image>(decode());
    promise.set_value(picture);
    const std::lock_guard lock(mutex_);
    // Not evicted in between: entries of 0 bytes stay.
    entries_.at(key).bytes = static_cast<std::int64_t>(picture->pixels.size());
    bytes_ += entries_.at(key).bytes;
    evict();
    return picture;
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    recent_.erase(found->second.use);
    entries_.erase(found);
    throw;
  }
}

void ImageCache::evict() {
  auto place = recent_.end();
  while (bytes_ > max_bytes_ && place != recent_.begin()) {
    --place;
    const auto entry = entries_.find(*place);
    if (entry->second.bytes == 0) continue;  // still being decoded
    bytes_ -= entry->second.bytes;
    entries_.erase(entry);
    place = recent_.erase(place);
  }
}

std::int64_t ImageCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace akimbo::datasets
