// Zip archives, member by member. The only wrapper of libzip: archives of pictures
// (zip_archive.h) and PyTorch's checkpoints (apps/convert/stored_zip.h) stand on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace akimbo::datasets {

struct ZipEntry {
  std::string name;
  std::uint64_t index = 0;
  std::uint64_t num_bytes = 0;     // unpacked
  std::uint64_t packed_bytes = 0;  // in the archive
  bool is_stored = false;          // not compressed
  bool is_encrypted = false;
};

// Not for two threads at once.
class ZipFile {
 public:
  // Throws FileError when the file is missing, no zip archive, or its directory is damaged.
  explicit ZipFile(const std::filesystem::path& path);
  ~ZipFile();
  ZipFile(ZipFile&&) noexcept;
  ZipFile& operator=(ZipFile&&) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t num_entries() const;
  // Throws FileError when the directory does not say name and sizes.
  [[nodiscard]] ZipEntry entry(std::uint64_t index) const;
  [[nodiscard]] std::optional<std::uint64_t> find(const std::string& name) const;
  // All num_bytes of a member. Throws FileError when they are fewer, or not those of its checksum.
  void read(const ZipEntry& entry, void* to) const;

 private:
  struct Handle;
  std::filesystem::path path_;
  std::unique_ptr<Handle> handle_;
};

struct ZipMember {
  std::string name;
  const void* data = nullptr;
  std::uint64_t num_bytes = 0;
};

// Writes the members uncompressed, the bytes of each beginning at a multiple of 64. Atomic: on
// failure FileError is thrown and an earlier file of this name is untouched.
void write_stored_zip(const std::filesystem::path& path, const std::vector<ZipMember>& members);

}  // namespace akimbo::datasets
