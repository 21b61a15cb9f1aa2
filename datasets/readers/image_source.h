// Where the pictures of a set lie: a folder, or a zip archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "datasets/readers/image_file.h"

namespace akimbo::datasets {

class ZipArchive;

// Safe to use from many threads; copies share the open archive.
class ImageSource {
 public:
  // `location` is a folder, a zip archive ("val2017.zip"), or, as the references write it, an
  // archive with "@" behind it ("val2017.zip@"), optionally followed by a folder inside the archive
  // ("images.zip@/val2017"). Where there is no folder "val2017", "val2017.zip" beside it is taken.
  // Throws FileError when there is no such folder or archive.
  [[nodiscard]] static ImageSource open(const std::filesystem::path& location);

  // The encoded bytes of a picture, and the picture. Throw FileError that names it.
  [[nodiscard]] std::string read_bytes(const std::string& name) const;
  [[nodiscard]] Image read(const std::string& name, const ImageDecodeOptions& options = {}) const;
  // A number that changes when the picture's file, or the archive that it is in, does: of its size
  // and time.
  [[nodiscard]] std::uint64_t stamp(const std::string& name) const;
  // How messages name a picture: its path, or "archive.zip@/name".
  [[nodiscard]] std::string full_name(const std::string& name) const;

 private:
  std::filesystem::path folder_;         // on disk, or inside the archive
  std::shared_ptr<ZipArchive> archive_;  // null for a folder
};

// One picture by the path that the references write: "root/val2017.zip@/000000000139.jpg", or a
// plain path. Opens the archive for this call; use ImageSource for many.
[[nodiscard]] Image read_image_or_member(const std::string& path);

}  // namespace akimbo::datasets
