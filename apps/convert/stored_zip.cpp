#include "apps/convert/stored_zip.h"

#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw_error<FileError>("[zip] {}: {}", path.string(), what);
}

}  // namespace

StoredZip::StoredZip(const std::filesystem::path& path) : file_(path) {
  std::error_code ignored;
  const std::uint64_t file_bytes = std::filesystem::file_size(path, ignored);
  std::uint64_t claimed = 0;
  for (std::uint64_t i = 0; i < file_.num_entries(); ++i) {
    const Member member = file_.entry(i);
    if (!member.is_stored || member.num_bytes != member.packed_bytes) {
      fail(path, fmt::format("member {} is compressed, which checkpoints are not; pack the archive "
                             "again without compression (zip -0)",
                             member.name));
    }
    if (member.is_encrypted) fail(path, fmt::format("member {} is encrypted", member.name));
    if (member.num_bytes > file_bytes || (claimed += member.num_bytes) > file_bytes) {
      fail(path, fmt::format("its members claim more bytes than the file has ({}); it is damaged "
                             "or hostile",
                             file_bytes));
    }
    if (!by_name_.emplace(member.name, members_.size()).second) {
      fail(path, fmt::format("two members are named {}; it is damaged or hostile", member.name));
    }
    members_.push_back(member);
  }
}

const StoredZip::Member* StoredZip::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &members_[it->second];
}

std::string StoredZip::read(const Member& member) const {
  std::string content(static_cast<std::size_t>(member.num_bytes), '\0');
  read(member, content.data());
  return content;
}

}  // namespace akimbo::convert
