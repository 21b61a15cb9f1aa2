// The only file that includes libzip.
#include "datasets/readers/zip_archive.h"

#include <mutex>

#include <zip.h>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

struct CloseArchive {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
using Handle = std::unique_ptr<zip_t, CloseArchive>;

struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

Handle open_archive(const std::filesystem::path& path) {
  int code = 0;
  Handle handle(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (handle != nullptr) return handle;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw_error<FileError>("[zip] cannot open {}: {}; check the path or download it again",
                         path.string(), reason);
}

}  // namespace

struct ZipArchive::Pool {
  std::filesystem::path path;
  std::mutex mutex;
  std::vector<Handle> idle;

  Handle take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        Handle handle = std::move(idle.back());
        idle.pop_back();
        return handle;
      }
    }
    return open_archive(path);
  }
  void give(Handle handle) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(handle));
  }
};

namespace {

// A handle for the length of one call; after an exception it goes back all the same.
template <typename Pool>
class Lease {
 public:
  explicit Lease(Pool& pool) : pool_(pool), handle_(pool.take()) {}
  ~Lease() { pool_.give(std::move(handle_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] zip_t* get() const { return handle_.get(); }

 private:
  Pool& pool_;
  Handle handle_;
};

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path) : pool_(std::make_unique<Pool>()) {
  pool_->path = path;
  pool_->give(open_archive(path));
}

ZipArchive::~ZipArchive() = default;

const std::filesystem::path& ZipArchive::path() const { return pool_->path; }

std::string ZipArchive::read(const std::string& member) const {
  const Lease lease(*pool_);
  const auto fail = [&](const std::string& reason) {
    throw_error<FileError>("[zip] cannot read {} in {}: {}", member, path().string(), reason);
  };
  zip_stat_t info;
  if (zip_stat(lease.get(), member.c_str(), 0, &info) != 0) fail("there is no such member");
  if (!(info.valid & ZIP_STAT_SIZE)) fail("its size is unknown");
  if (info.size > kMaxMemberBytes) fail(fmt::format("{} bytes are more than the limit", info.size));
  const std::unique_ptr<zip_file_t, CloseMember> file(zip_fopen_index(lease.get(), info.index, 0));
  if (file == nullptr) fail(zip_strerror(lease.get()));
  std::string bytes(info.size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) fail(zip_file_strerror(file.get()));
    if (got == 0) fail("it is cut off");
    done += static_cast<std::size_t>(got);
  }
  // The checksum is compared when the end is read.
  char beyond = 0;
  if (zip_fread(file.get(), &beyond, 1) != 0) fail("its bytes do not match its checksum");
  return bytes;
}

bool ZipArchive::has(const std::string& member) const {
  const Lease lease(*pool_);
  return zip_name_locate(lease.get(), member.c_str(), 0) >= 0;
}

std::vector<std::string> ZipArchive::names() const {
  const Lease lease(*pool_);
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(lease.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(lease.get(), static_cast<zip_uint64_t>(i), 0);
    if (name != nullptr && *name != '\0' && std::string_view(name).back() != '/') {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace akimbo::datasets
