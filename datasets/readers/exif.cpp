// The orientation tag of EXIF, read from untrusted bytes, and the turns it asks for.
#include <cstring>
#include <utility>

#include "datasets/readers/image_codecs.h"

namespace akimbo::codecs {
namespace {

class TiffReader {
 public:
  TiffReader(Bytes bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}
  // Zero past the end: a damaged tag then reads as absent.
  [[nodiscard]] std::uint32_t get(std::size_t offset, int num_bytes) const {
    if (offset > bytes_.size() || bytes_.size() - offset < static_cast<std::size_t>(num_bytes)) {
      return 0;
    }
    std::uint32_t value = 0;
    for (int i = 0; i < num_bytes; ++i) {
      const int position = big_endian_ ? i : num_bytes - 1 - i;
      value = (value << 8) | bytes_[offset + static_cast<std::size_t>(position)];
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool big_endian_;
};

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kTypeShort = 3;

}  // namespace

int exif_orientation(Bytes segment) {
  if (segment.size() < 14 || std::memcmp(segment.data(), "Exif\0\0", 6) != 0) return 1;
  const Bytes tiff = segment.subspan(6);
  const bool big_endian = tiff[0] == 'M';
  const TiffReader reader(tiff, big_endian);
  if (reader.get(2, 2) != 42) return 1;
  const std::size_t directory = reader.get(4, 4);
  const std::uint32_t count = reader.get(directory, 2);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + 12 * static_cast<std::size_t>(i);
    if (reader.get(entry, 2) != kOrientationTag || reader.get(entry + 2, 2) != kTypeShort) continue;
    const std::uint32_t value = reader.get(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // Tags 5 to 8 exchange the axes; then columns and rows may be mirrored.
  const bool transpose = orientation >= 5;
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned(transpose ? image.width : image.height, transpose ? image.height : image.width,
               image.channels);
  const auto channels = static_cast<std::size_t>(image.channels);
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      int from_x = transpose ? y : x;
      int from_y = transpose ? x : y;
      if (mirror_x) from_x = image.width - 1 - from_x;
      if (mirror_y) from_y = image.height - 1 - from_y;
      std::memcpy(turned.row(y) + channels * static_cast<std::size_t>(x),
                  image.row(from_y) + channels * static_cast<std::size_t>(from_x), channels);
    }
  }
  return turned;
}

}  // namespace akimbo::codecs
