#include "datasets/readers/image_source.h"

#include "datasets/readers/zip_archive.h"
#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "engine/io/file.h"

namespace akimbo::datasets {
namespace {

namespace fs = std::filesystem;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// "a.zip@/b" to "a.zip" and "b"; nothing after the archive is the archive's root.
struct ArchivePath {
  fs::path archive;
  std::string inside;
};

ArchivePath split_at_sign(const std::string& text, std::size_t at) {
  ArchivePath result{text.substr(0, at), text.substr(at + 1)};
  if (!result.inside.empty() && result.inside.front() == '/') result.inside.erase(0, 1);
  return result;
}

// The "@" that follows an archive's name. Folders may have an "@" in their names too.
std::size_t find_at_sign(const std::string& text) {
  const std::size_t at = text.find(".zip@");
  return at == std::string::npos ? at : at + 4;
}

}  // namespace

ImageSource ImageSource::open(const fs::path& location) {
  ImageSource source;
  const std::string text = location.string();
  const std::size_t at = find_at_sign(text);
  if (at != std::string::npos) {
    const ArchivePath path = split_at_sign(text, at);
    source.archive_ = std::make_shared<ZipArchive>(path.archive);
    source.folder_ = path.inside;
  } else if (fs::is_directory(location)) {
    source.folder_ = location;
  } else if (fs::exists(location)) {
    source.archive_ = std::make_shared<ZipArchive>(location);
  } else if (fs::exists(text + ".zip")) {
    source.archive_ = std::make_shared<ZipArchive>(text + ".zip");
  } else {
    throw_error<FileError>(
        "[data] there is no folder {0} of pictures and no archive {0} or {0}.zip; check data.root "
        "and "
        "the images path",
        text);
  }
  return source;
}

std::string ImageSource::full_name(const std::string& name) const {
  const std::string inner = (folder_ / name).string();
  return archive_ == nullptr ? inner : archive_->path().string() + "@/" + inner;
}

std::uint64_t ImageSource::stamp(const std::string& name) const {
  const fs::path file = archive_ == nullptr ? folder_ / name : archive_->path();
  std::error_code ignored;  // a missing file says so when it is read
  const std::uint64_t facts[] = {
      fs::file_size(file, ignored),
      static_cast<std::uint64_t>(fs::last_write_time(file, ignored).time_since_epoch().count())};
  return hash_bytes({reinterpret_cast<const char*>(facts), sizeof facts});
}

std::string ImageSource::read_bytes(const std::string& name) const {
  return archive_ == nullptr ? io::read_file(folder_ / name)
                             : archive_->read((folder_ / name).string());
}

Image ImageSource::read(const std::string& name, const ImageDecodeOptions& options) const {
  const std::string bytes = read_bytes(name);
  return decode_image(bytes_of(bytes), full_name(name), options);
}

Image read_image_or_member(const std::string& path) {
  const std::size_t at = find_at_sign(path);
  if (at == std::string::npos) return read_image(path);
  const ArchivePath split = split_at_sign(path, at);
  const std::string bytes = ZipArchive(split.archive).read(split.inside);
  return decode_image(bytes_of(bytes), path);
}

}  // namespace akimbo::datasets
