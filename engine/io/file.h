// Whole files, read and written so that a crash or a full disk never costs what was there before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace akimbo::io {

// The bytes of a file. Throws FileError with path and reason.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

// A file read in pieces at chosen places, for files that are not to be in memory twice.
class RandomAccessFile {
 public:
  // Throws FileError when the path is missing, unreadable or a folder.
  explicit RandomAccessFile(std::filesystem::path path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Exactly `bytes` bytes from `offset`; throws FileError when the file ends before.
  void read_at(std::uint64_t offset, void* data, std::size_t bytes) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

// Receives bytes in order; throws FileError when the disk is full.
using WriteBytes = std::function<void(const void* data, std::size_t bytes)>;

// unsynced: a loss of power soon after may leave an empty or wrong file under the name; for what
// can be made again and is checked when read.
enum class Durability { synced, unsynced };

// Writes PATH.tmp-PID-N beside the target through `write`, syncs, renames over the target. On any
// failure the temporary file is removed, the target is as it was, and FileError says why.
void write_file_atomic(const std::filesystem::path& path,
                       const std::function<void(const WriteBytes&)>& write,
                       Durability durability = Durability::synced);
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

}  // namespace akimbo::io
