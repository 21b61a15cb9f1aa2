// Zip archives of uncompressed members, as PyTorch writes them. The wrapper of libzip for
// checkpoints; archives of images are in datasets/readers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace akimbo::convert {

class StoredZip {
 public:
  struct Member {
    std::string name;
    std::uint64_t index = 0;
    std::uint64_t num_bytes = 0;
  };

  // Throws FileError for a damaged archive, compressed or encrypted members, duplicate names and
  // members that together claim more bytes than the file has.
  explicit StoredZip(const std::filesystem::path& path);
  ~StoredZip();
  StoredZip(const StoredZip&) = delete;
  StoredZip& operator=(const StoredZip&) = delete;

  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] const Member* find(const std::string& name) const;
  // All num_bytes of the member, its checksum verified. Not for two threads at once.
  void read(const Member& member, void* to) const;
  [[nodiscard]] std::string read(const Member& member) const;

 private:
  struct Archive;
  std::filesystem::path path_;
  std::unique_ptr<Archive> archive_;
  std::vector<Member> members_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

struct ZipMember {
  std::string name;
  const void* data = nullptr;
  std::uint64_t num_bytes = 0;
};

// Writes the members uncompressed, the bytes of each beginning at a multiple of 64. Atomic: on
// failure FileError is thrown and an earlier file of this name is untouched.
void write_stored_zip(const std::filesystem::path& path, const std::vector<ZipMember>& members);

}  // namespace akimbo::convert
