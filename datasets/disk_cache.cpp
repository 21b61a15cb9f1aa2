#include "datasets/disk_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "engine/io/file.h"

namespace akimbo::datasets {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMagic = 0x31786970626d6b61;  // "akmbpix1"
constexpr const char* kEnding = ".pixels";
constexpr auto kAbandoned = std::chrono::hours(1);

struct Header {
  std::uint64_t magic = kMagic;
  std::uint64_t source = 0;
  std::uint64_t checksum = 0;  // of the pixels
  std::int32_t height = 0, width = 0, channels = 0, unused = 0;
};

std::string file_name(const std::string& name) {
  return fmt::format("{:016x}{}", hash_bytes({name.data(), name.size()}), kEnding);
}

std::span<const char> chars_of(const Image& image) {
  return {reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()};
}

bool is_plausible(const Header& header, std::uint64_t source, std::uint64_t file_bytes) {
  if (header.magic != kMagic || header.source != source) return false;
  if (header.height < 1 || header.width < 1 || header.channels < 1 || header.channels > 4) {
    return false;
  }
  // Below 2^64: two factors under 2^31 and one up to 4.
  const std::uint64_t pixel_bytes = static_cast<std::uint64_t>(header.height) *
                                    static_cast<std::uint64_t>(header.width) *
                                    static_cast<std::uint64_t>(header.channels);
  return file_bytes == sizeof(Header) + pixel_bytes;
}

std::optional<Image> read_entry(const fs::path& path, std::uint64_t source) {
  try {
    const io::RandomAccessFile file(path);
    Header header;
    if (file.size() < sizeof header) return std::nullopt;
    file.read_at(0, &header, sizeof header);
    if (!is_plausible(header, source, file.size())) return std::nullopt;
    Image image(header.height, header.width, header.channels);
    file.read_at(sizeof header, image.pixels.data(), image.pixels.size());
    if (hash_bytes(chars_of(image)) != header.checksum) return std::nullopt;
    return image;
  } catch (const FileError&) {
    return std::nullopt;  // gone meanwhile, or unreadable: the picture is decoded instead
  }
}

}  // namespace

DiskCache::DiskCache(fs::path folder, std::int64_t max_bytes)
    : folder_(std::move(folder)), max_bytes_(max_bytes) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw_error<FileError>("[cache] cannot make the folder {}: {}; set data.disk_cache to another",
                           folder_.string(), error.message());
  }
  const fs::path probe = folder_ / ".write-test";
  io::write_file_atomic(probe, "");
  fs::remove(probe, error);
  find_entries();
}

// By age, so that the oldest go first. Temporary files of runs that were killed are removed.
void DiskCache::find_entries() {
  struct Found {
    fs::file_time_type time;
    std::string file;
    std::int64_t bytes;
  };
  std::vector<Found> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string file = entry.path().filename();
    const fs::file_time_type time = entry.last_write_time(error);
    if (error) continue;  // another process removed it
    if (file.ends_with(kEnding)) {
      const auto bytes = entry.file_size(error);
      if (!error) found.push_back({time, file, static_cast<std::int64_t>(bytes)});
    } else if (file.find(std::string(kEnding) + ".tmp-") != std::string::npos &&
               fs::file_time_type::clock::now() - time > kAbandoned) {
      fs::remove(entry.path(), error);
    }
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.time != b.time ? a.time < b.time : a.file < b.file;
  });
  for (const Found& entry : found) add(entry.file, entry.bytes);
  evict();
}

std::optional<Image> DiskCache::read(const std::string& name, std::uint64_t source) {
  const std::string file = file_name(name);
  std::optional<Image> image = read_entry(folder_ / file, source);
  const std::lock_guard lock(mutex_);
  if (image) {
    if (!entries_.contains(file)) {
      add(file, static_cast<std::int64_t>(sizeof(Header) + image->pixels.size()));
      evict();
    }
    touch(file);
  }
  return image;
}

void DiskCache::write(const std::string& name, std::uint64_t source, const Image& image) {
  const auto bytes = static_cast<std::int64_t>(sizeof(Header) + image.pixels.size());
  {
    const std::lock_guard lock(mutex_);
    if (bytes > max_bytes_ || !problem_.empty()) return;
  }
  const Header header{.source = source,
                      .checksum = hash_bytes(chars_of(image)),
                      .height = image.height,
                      .width = image.width,
                      .channels = image.channels};
  const std::string file = file_name(name);
  try {
    io::write_file_atomic(
        folder_ / file,
        [&](const io::WriteBytes& write) {
          write(&header, sizeof header);
          write(image.pixels.data(), image.pixels.size());
        },
        io::Durability::unsynced);
  } catch (const FileError& error) {
    const std::lock_guard lock(mutex_);
    problem_ = error.what();
    return;
  }
  const std::lock_guard lock(mutex_);
  drop(file);
  add(file, bytes);
  evict();
}

std::int64_t DiskCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::string DiskCache::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void DiskCache::add(const std::string& file, std::int64_t bytes) {
  recent_.push_front(file);
  entries_[file] = {bytes, recent_.begin()};
  bytes_ += bytes;
}

// The time of the file tells the next run.
void DiskCache::touch(const std::string& file) {
  const auto found = entries_.find(file);
  if (found == entries_.end()) return;  // it was larger than all there is room for
  recent_.splice(recent_.begin(), recent_, found->second.use);
  std::error_code ignored;
  fs::last_write_time(folder_ / file, fs::file_time_type::clock::now(), ignored);
}

void DiskCache::drop(const std::string& file) {
  const auto found = entries_.find(file);
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  recent_.erase(found->second.use);
  entries_.erase(found);
}

void DiskCache::evict() {
  while (bytes_ > max_bytes_ && !recent_.empty()) {
    const std::string file = recent_.back();
    drop(file);
    std::error_code ignored;  // another process may have removed it
    fs::remove(folder_ / file, ignored);
  }
}

}  // namespace akimbo::datasets
