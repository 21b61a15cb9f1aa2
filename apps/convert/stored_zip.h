// Zip archives of uncompressed members, as PyTorch writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "datasets/readers/zip_file.h"

namespace akimbo::convert {

using datasets::write_stored_zip;
using datasets::ZipMember;

class StoredZip {
 public:
  using Member = datasets::ZipEntry;

  // Throws FileError for a damaged archive, compressed or encrypted members, duplicate names and
  // members that together claim more bytes than the file has.
  explicit StoredZip(const std::filesystem::path& path);

  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] const Member* find(const std::string& name) const;
  // All num_bytes of the member, its checksum verified. Not for two threads at once.
  void read(const Member& member, void* to) const { file_.read(member, to); }
  [[nodiscard]] std::string read(const Member& member) const;

 private:
  datasets::ZipFile file_;
  std::vector<Member> members_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

}  // namespace akimbo::convert
