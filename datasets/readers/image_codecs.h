// What stands behind image_file.h: one source per outside library. Private to datasets/readers.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "datasets/readers/image_file.h"

namespace akimbo::codecs {

using Bytes = std::span<const std::uint8_t>;

// Throws FileError when a side is not positive or the product exceeds the limit.
void check_image_size(std::int64_t width, std::int64_t height, std::int64_t max_pixels,
                      const std::string& where);

// jpeg_codec.cpp (libjpeg-turbo)
[[nodiscard]] Image decode_jpeg(Bytes bytes, const std::string& where,
                                const ImageDecodeOptions& options);
[[nodiscard]] ImageSize jpeg_size(Bytes bytes, const std::string& where);
[[nodiscard]] std::string encode_jpeg(const Image& image, int quality);

// stb_codec.cpp (stb_image, stb_image_write)
[[nodiscard]] Image decode_other(Bytes bytes, const std::string& where,
                                 const ImageDecodeOptions& options);
[[nodiscard]] ImageSize other_size(Bytes bytes, const std::string& where);
[[nodiscard]] std::string encode_png(const Image& image);

// exif.cpp. The orientation tag 1 to 8 of an APP1 segment (without marker and length), 1 if absent
// or damaged; and the picture turned accordingly.
[[nodiscard]] int exif_orientation(Bytes segment);
[[nodiscard]] Image apply_orientation(Image image, int orientation);

}  // namespace akimbo::codecs
