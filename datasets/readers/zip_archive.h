// A zip archive of pictures that stays open. Many threads may read at once: each takes a handle of
// its own from a pool, since the library's are not shared between threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace akimbo::datasets {

class ZipArchive {
 public:
  // Throws FileError when the file is missing or no zip archive.
  explicit ZipArchive(const std::filesystem::path& path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const;
  // The bytes of a member, checked against its checksum. Throws FileError: no such member, damaged,
  // or larger than the limit (a small archive can hold a huge member).
  [[nodiscard]] std::string read(const std::string& member) const;
  [[nodiscard]] bool has(const std::string& member) const;
  // Names of all members that are files, in archive order.
  [[nodiscard]] std::vector<std::string> names() const;

  static constexpr std::uint64_t kMaxMemberBytes = std::uint64_t{1} << 30;

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace akimbo::datasets
