// The only file that includes libzip.
#include "datasets/readers/zip_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::datasets {
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

struct ZipFile::Handle {
  ArchivePointer zip;
};

ZipFile::ZipFile(const std::filesystem::path& path)
    : path_(path), handle_(std::make_unique<Handle>()) {
  int code = 0;
  handle_->zip.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!handle_->zip) {
    fail(path, fmt::format("the archive cannot be opened ({}); the file is cut short or damaged, "
                           "get it again",
                           text_of_code(code)));
  }
}

ZipFile::~ZipFile() = default;
ZipFile::ZipFile(ZipFile&&) noexcept = default;
ZipFile& ZipFile::operator=(ZipFile&&) noexcept = default;

std::uint64_t ZipFile::num_entries() const {
  return static_cast<std::uint64_t>(zip_get_num_entries(handle_->zip.get(), 0));
}

ZipEntry ZipFile::entry(std::uint64_t index) const {
  zip_stat_t info;
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(handle_->zip.get(), index, 0, &info) != 0 ||
      (info.valid & kNeeded) != kNeeded) {
    fail(path_, fmt::format("member {} has no readable entry; the file is damaged", index));
  }
  const bool encrypted =
      (info.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && info.encryption_method != ZIP_EM_NONE;
  return {.name = info.name,
          .index = index,
          .num_bytes = info.size,
          .packed_bytes = (info.valid & ZIP_STAT_COMP_SIZE) != 0 ? info.comp_size : 0,
          .is_stored = info.comp_method == ZIP_CM_STORE,
          .is_encrypted = encrypted};
}

std::optional<std::uint64_t> ZipFile::find(const std::string& name) const {
  const zip_int64_t index = zip_name_locate(handle_->zip.get(), name.c_str(), 0);
  if (index < 0) return std::nullopt;
  return static_cast<std::uint64_t>(index);
}

void ZipFile::read(const ZipEntry& entry, void* to) const {
  const std::unique_ptr<zip_file_t, CloseMember> file(
      zip_fopen_index(handle_->zip.get(), entry.index, 0));
  if (!file) {
    fail(path_, fmt::format("member {} cannot be opened ({}); the file is damaged", entry.name,
                            zip_strerror(handle_->zip.get())));
  }
  auto* out = static_cast<char*>(to);
  std::uint64_t left = entry.num_bytes;
  // The read that finds the end is the one that compares the checksum.
  char beyond = 0;
  while (true) {
    constexpr std::uint64_t kChunkBytes = 1u << 20;
    const zip_int64_t got = left > 0 ? zip_fread(file.get(), out, std::min(left, kChunkBytes))
                                     : zip_fread(file.get(), &beyond, 1);
    if (got < 0 || (got == 0 && left > 0) || (got > 0 && left == 0)) {
      fail(path_, fmt::format("member {} is damaged ({}); get the file again", entry.name,
                              got < 0 ? zip_file_strerror(file.get()) : "wrong length"));
    }
    if (left == 0) return;
    out += got;
    left -= static_cast<std::uint64_t>(got);
  }
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

}  // namespace akimbo::datasets
