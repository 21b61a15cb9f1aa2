// Decoded pictures kept in a folder between epochs and runs, up to a limit of bytes, least recently
// used first out. What is kept is the decoded picture, at the size it was decoded to, and not a
// crop: augmentation draws another crop each time, and the people of a picture share it.
//
// An entry is a header, which says what picture it was made of, and the pixels, with a checksum. It
// is written beside its place and renamed, so no half of one is ever seen; what a crash, another
// program or a change of the picture leaves behind fails the checks and counts as not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "engine/io/image.h"

namespace akimbo::datasets {

// Safe to use from many threads. Several processes may share a folder; each then keeps its own
// count of bytes, and finds what the others have written.
class DiskCache {
 public:
  // Makes the folder. Entries of earlier runs count and stay. Throws FileError when it cannot be
  // made or written to.
  DiskCache(std::filesystem::path folder, std::int64_t max_bytes);

  // `name` tells the entries apart; `source` is of the file that the picture comes from and changes
  // with it (ImageSource::stamp). Absent: no such entry, damaged, or of another source.
  [[nodiscard]] std::optional<Image> read(const std::string& name, std::uint64_t source);
  // A picture larger than the limit is not kept. After a failure, such as a full disk, nothing more
  // is written: what was to be kept is decoded again instead. problem() then says why.
  void write(const std::string& name, std::uint64_t source, const Image& image);

  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] std::string problem() const;

 private:
  struct Entry {
    std::int64_t bytes = 0;
    std::list<std::string>::iterator use;  // its place in recent_
  };
  void find_entries();
  void add(const std::string& file, std::int64_t bytes);
  void touch(const std::string& file);
  void drop(const std::string& file);
  void evict();

  std::filesystem::path folder_;
  std::int64_t max_bytes_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by the name of the file
  std::list<std::string> recent_;         // most recently used first
  std::int64_t bytes_ = 0;
  std::string problem_;
};

}  // namespace akimbo::datasets
