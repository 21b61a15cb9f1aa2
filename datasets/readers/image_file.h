// Pictures from bytes and files to Image (RGB, 8 bits) and back. JPEG is decoded with the accurate
// integer DCT and smooth chroma up-sampling, as the published pipelines do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/image.h"

namespace akimbo {

struct ImageDecodeOptions {
  // 1, 2, 4 or 8: decode a JPEG at that fraction of its size (sides rounded up). Other formats come
  // at full size; compare the result's size with the picture's.
  int scale_denominator = 1;
  // Turn the picture as its EXIF tag says. The references ignore the tag, and so do annotations.
  bool apply_exif_orientation = false;
  // Give what there is of a truncated JPEG instead of throwing.
  bool accept_truncated = false;
  // Larger pictures are refused before memory is taken for them.
  std::int64_t max_pixels = 500'000'000;
};

struct ImageSize {
  int width = 0;
  int height = 0;
};

// Decodes JPEG (baseline, progressive, grey, CMYK), PNG (palette and 16 bits too), BMP, PNM or TGA
// (known by the ending of `where`). Grey becomes RGB, alpha is dropped. `where` names the picture
// in messages. Throws FileError.
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, const std::string& where,
                                 const ImageDecodeOptions& options = {});
[[nodiscard]] Image read_image(const std::filesystem::path& path,
                               const ImageDecodeOptions& options = {});

// Size from the header alone, EXIF ignored. Throws FileError.
[[nodiscard]] ImageSize read_image_size(std::span<const std::uint8_t> bytes,
                                        const std::string& where);

// True for the file endings that decode_image knows (.jpg .jpeg .png .bmp .ppm .pgm .tga, any
// case).
[[nodiscard]] bool is_image_name(std::string_view name);

// Write an image of 1 or 3 channels, atomically (io/file.h). quality is 1 to 100.
void write_png(const std::filesystem::path& path, const Image& image);
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 95);
// The format by the ending: .png, .jpg or .jpeg.
void write_image(const std::filesystem::path& path, const Image& image);
[[nodiscard]] std::string encode_png(const Image& image);
[[nodiscard]] std::string encode_jpeg(const Image& image, int quality = 95);

}  // namespace akimbo
