#include "datasets/readers/zip_archive.h"

#include <mutex>

#include "datasets/readers/zip_file.h"
#include "engine/core/error.h"

namespace akimbo::datasets {

struct ZipArchive::Pool {
  std::filesystem::path path;
  std::mutex mutex;
  std::vector<ZipFile> idle;

  ZipFile take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        ZipFile file = std::move(idle.back());
        idle.pop_back();
        return file;
      }
    }
    return ZipFile(path);
  }
  void give(ZipFile file) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(file));
  }
};

namespace {

// A handle for the length of one call; after an exception it goes back all the same.
template <typename Pool>
class Lease {
 public:
  explicit Lease(Pool& pool) : pool_(pool), file_(pool.take()) {}
  ~Lease() { pool_.give(std::move(file_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] const ZipFile& file() const { return file_; }

 private:
  Pool& pool_;
  ZipFile file_;
};

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path) : pool_(std::make_unique<Pool>()) {
  pool_->path = path;
  pool_->give(ZipFile(path));
}

ZipArchive::~ZipArchive() = default;

const std::filesystem::path& ZipArchive::path() const { return pool_->path; }

std::string ZipArchive::read(const std::string& member) const {
  const Lease lease(*pool_);
  const auto index = lease.file().find(member);
  if (!index) {
    throw_error<FileError>("[zip] there is no {} in {}", member, path().string());
  }
  const ZipEntry entry = lease.file().entry(*index);
  if (entry.num_bytes > kMaxMemberBytes) {
    throw_error<FileError>("[zip] cannot read {} in {}: {} bytes are more than the limit", member,
                           path().string(), entry.num_bytes);
  }
  std::string bytes(entry.num_bytes, '\0');
  lease.file().read(entry, bytes.data());
  return bytes;
}

bool ZipArchive::has(const std::string& member) const {
  const Lease lease(*pool_);
  return lease.file().find(member).has_value();
}

std::vector<std::string> ZipArchive::names() const {
  const Lease lease(*pool_);
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < lease.file().num_entries(); ++i) {
    const std::string name = lease.file().entry(i).name;
    if (!name.empty() && name.back() != '/') names.push_back(name);
  }
  return names;
}

}  // namespace akimbo::datasets
