// Decoded pictures kept in memory up to a limit, least recently used first out. Several people of
// one picture, and every epoch of a small data set, then decode it once.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "engine/io/image.h"

namespace akimbo::datasets {

// Safe to use from many threads; who asks for a picture that another thread is decoding waits.
class ImageCache {
 public:
  using Picture = std::shared_ptr<const Image>;
  struct Key {
    std::int64_t image_index = 0;
    int denominator = 1;  // of the decoding
    auto operator<=>(const Key&) const = default;
  };

  explicit ImageCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}

  // The picture, by `decode` if it is not there. Exceptions of decode pass to all who wait for it.
  [[nodiscard]] Picture get(const Key& key, const std::function<Image()>& decode);

  [[nodiscard]] std::int64_t bytes() const;

 private:
  struct Entry {
    std::shared_future<Picture> picture;
    std::int64_t bytes = 0;        // 0 while it is being decoded
    std::list<Key>::iterator use;  // its place in recent_
  };
  void evict();

  std::int64_t max_bytes_;
  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::list<Key> recent_;  // most recently used first
  std::int64_t bytes_ = 0;
};

}  // namespace akimbo::datasets
