#include "apps/convert/stored_zip.h"

#include <fcntl.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kLocalHeaderBytes = 30;
constexpr std::uint64_t kExtraHeaderBytes = 4;
constexpr zip_uint16_t kPaddingId = 0x4246;  // "FB", as PyTorch's own writer marks its padding

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw_error<FileError>("[zip] {}: {}", path.string(), what);
}

std::string text_of_code(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using ArchivePointer = std::unique_ptr<zip_t, DiscardArchive>;

struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Bytes of padding that bring data behind a local header of `header_begin` to the alignment; the
// extra field that carries them has a header of its own.
std::uint64_t padding_for(std::uint64_t header_begin, const std::string& name) {
  const std::uint64_t data = header_begin + kLocalHeaderBytes + name.size() + kExtraHeaderBytes;
  return (kAlignment - data % kAlignment) % kAlignment;
}

void add_member(zip_t* archive, const std::filesystem::path& path, const ZipMember& member,
                std::uint64_t& position) {
  zip_source_t* source = zip_source_buffer(archive, member.data, member.num_bytes, 0);
  const zip_int64_t index =
      source ? zip_file_add(archive, member.name.c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
  if (index < 0) {
    if (source) zip_source_free(source);
    fail(path, fmt::format("cannot add {}: {}", member.name, zip_strerror(archive)));
  }
  const auto at = static_cast<zip_uint64_t>(index);
  const std::string padding(padding_for(position, member.name), 'Z');
  if (zip_set_file_compression(archive, at, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(archive, at, 0, 0x21, 0) != 0 ||  // 1980-01-01: same bytes every time
      zip_file_extra_field_set(archive, at, kPaddingId, ZIP_EXTRA_FIELD_NEW,
                               reinterpret_cast<const zip_uint8_t*>(padding.data()),
                               static_cast<zip_uint16_t>(padding.size()), ZIP_FL_LOCAL) != 0) {
    fail(path, fmt::format("cannot add {}: {}", member.name, zip_strerror(archive)));
  }
  position += kLocalHeaderBytes + member.name.size() + kExtraHeaderBytes + padding.size() +
              member.num_bytes;
}

void sync_and_rename(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  const int fd = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL);
  const int code = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) fail(path, fmt::format("cannot be written: {}", std::strerror(code)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    fail(path, fmt::format("cannot be written: {}", std::strerror(errno)));
  }
}

}  // namespace

struct StoredZip::Archive {
  ArchivePointer zip;
};

StoredZip::StoredZip(const std::filesystem::path& path)
    : path_(path), archive_(std::make_unique<Archive>()) {
  int code = 0;
  archive_->zip.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive_->zip) {
    fail(path, fmt::format("the archive cannot be opened ({}); the file is cut short or damaged, "
                           "get it again",
                           text_of_code(code)));
  }
  std::error_code ignored;
  const std::uint64_t file_bytes = std::filesystem::file_size(path, ignored);
  const zip_int64_t count = zip_get_num_entries(archive_->zip.get(), 0);
  std::uint64_t claimed = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t info;
    const auto index = static_cast<zip_uint64_t>(i);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive_->zip.get(), index, 0, &info) != 0 ||
        (info.valid & kNeeded) != kNeeded) {
      fail(path, fmt::format("member {} has no readable entry; the file is damaged", i));
    }
    if (info.comp_method != ZIP_CM_STORE || info.size != info.comp_size) {
      fail(path, fmt::format("member {} is compressed, which checkpoints are not; pack the archive "
                             "again without compression (zip -0)",
                             info.name));
    }
    if ((info.valid & ZIP_STAT_ENCRYPTION_METHOD) && info.encryption_method != ZIP_EM_NONE) {
      fail(path, fmt::format("member {} is encrypted", info.name));
    }
    if (info.size > file_bytes || (claimed += info.size) > file_bytes) {
      fail(path, fmt::format("its members claim more bytes than the file has ({}); it is damaged "
                             "or hostile",
                             file_bytes));
    }
    if (!by_name_.emplace(info.name, members_.size()).second) {
      fail(path, fmt::format("two members are named {}; it is damaged or hostile", info.name));
    }
    members_.push_back({.name = info.name, .index = index, .num_bytes = info.size});
  }
}

StoredZip::~StoredZip() = default;

const StoredZip::Member* StoredZip::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &members_[it->second];
}

void StoredZip::read(const Member& member, void* to) const {
  const std::unique_ptr<zip_file_t, CloseMember> file(
      zip_fopen_index(archive_->zip.get(), member.index, 0));
  if (!file) {
    fail(path_, fmt::format("member {} cannot be opened ({}); the file is damaged", member.name,
                            zip_strerror(archive_->zip.get())));
  }
  auto* out = static_cast<char*>(to);
  std::uint64_t left = member.num_bytes;
  // The read that finds the end is the one that compares the checksum.
  char beyond = 0;
  while (true) {
    constexpr std::uint64_t kChunkBytes = 1u << 20;
    const zip_int64_t got = left > 0 ? zip_fread(file.get(), out, std::min(left, kChunkBytes))
                                     : zip_fread(file.get(), &beyond, 1);
    if (got < 0 || (got == 0 && left > 0) || (got > 0 && left == 0)) {
      fail(path_, fmt::format("member {} is damaged ({}); get the file again", member.name,
                              got < 0 ? zip_file_strerror(file.get()) : "wrong length"));
    }
    if (left == 0) return;
    out += got;
    left -= static_cast<std::uint64_t>(got);
  }
}

std::string StoredZip::read(const Member& member) const {
  std::string content(static_cast<std::size_t>(member.num_bytes), '\0');
  read(member, content.data());
  return content;
}

void write_stored_zip(const std::filesystem::path& path, const std::vector<ZipMember>& members) {
  const std::filesystem::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  std::error_code ignored;
  try {
    int code = 0;
    ArchivePointer archive(zip_open(temporary.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
    if (!archive) fail(path, fmt::format("cannot be written ({})", text_of_code(code)));
    std::uint64_t position = 0;
    for (const ZipMember& member : members) add_member(archive.get(), path, member, position);
    if (zip_close(archive.get()) != 0) {
      fail(path, fmt::format("cannot be written ({}); choose a folder that you may write to and "
                             "that has free space",
                             zip_strerror(archive.get())));
    }
    (void)archive.release();  // zip_close freed it
    sync_and_rename(temporary, path);
  } catch (...) {
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace akimbo::convert
