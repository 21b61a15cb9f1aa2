#include "datasets/readers/image_file.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "datasets/readers/image_codecs.h"
#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo {
namespace {

std::string lower_ending(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  std::string ending(dot == std::string_view::npos ? "" : name.substr(dot));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

bool starts_with(codecs::Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

enum class Format { jpeg, other };

// Formats without a signature (TGA) and those we do not need are not tried: each parser that a
// stranger's bytes cannot reach is one fewer to trust.
Format format_of(codecs::Bytes bytes, const std::string& where) {
  if (bytes.empty()) throw_error<FileError>("[image] {} is empty, a picture was expected", where);
  if (starts_with(bytes, "\xff\xd8\xff")) return Format::jpeg;
  for (const char* magic : {"\x89PNG\r\n\x1a\n", "BM", "P5", "P6"}) {
    if (starts_with(bytes, magic)) return Format::other;
  }
  if (lower_ending(where) == ".tga") return Format::other;
  throw_error<FileError>(
      "[image] {} is no picture that can be read (JPEG, PNG, BMP, PPM, PGM, TGA); convert it or "
      "download it again",
      where);
}

void check_writable(const Image& image) {
  const bool fits =
      image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3) &&
      image.pixels.size() == static_cast<std::size_t>(image.width) * image.height * image.channels;
  if (!fits) {
    throw_error<ArgumentError>(
        "[image] cannot write a picture of {}x{} pixels and {} channels; wanted at least 1x1 and 1 "
        "or 3 channels",
        image.width, image.height, image.channels);
  }
}

}  // namespace

void codecs::check_image_size(std::int64_t width, std::int64_t height, std::int64_t max_pixels,
                              const std::string& where) {
  if (width <= 0 || height <= 0) {
    throw_error<FileError>("[image] {} claims a size of {}x{} pixels", where, width, height);
  }
  if (width > max_pixels / height) {
    throw_error<FileError>(
        "[image] {} is {}x{} pixels, more than the limit of {} million; reduce it", where, width,
        height, max_pixels / 1'000'000);
  }
}

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& where,
                   const ImageDecodeOptions& options) {
  const int s = options.scale_denominator;
  if (s != 1 && s != 2 && s != 4 && s != 8) {
    throw_error<ArgumentError>("[image] scale_denominator is {}, wanted 1, 2, 4 or 8", s);
  }
  return format_of(bytes, where) == Format::jpeg ? codecs::decode_jpeg(bytes, where, options)
                                                 : codecs::decode_other(bytes, where, options);
}

Image read_image(const std::filesystem::path& path, const ImageDecodeOptions& options) {
  const std::string content = io::read_file(path);
  return decode_image({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()},
                      path.string(), options);
}

ImageSize read_image_size(std::span<const std::uint8_t> bytes, const std::string& where) {
  return format_of(bytes, where) == Format::jpeg ? codecs::jpeg_size(bytes, where)
                                                 : codecs::other_size(bytes, where);
}

bool is_image_name(std::string_view name) {
  static constexpr std::array kEndings = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tga"};
  const std::string ending = lower_ending(name);
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

std::string encode_png(const Image& image) {
  check_writable(image);
  return codecs::encode_png(image);
}

std::string encode_jpeg(const Image& image, int quality) {
  check_writable(image);
  if (quality < 1 || quality > 100) {
    throw_error<ArgumentError>("[image] JPEG quality is {}, wanted 1 to 100", quality);
  }
  return codecs::encode_jpeg(image, quality);
}

void write_png(const std::filesystem::path& path, const Image& image) {
  io::write_file_atomic(path, encode_png(image));
}

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality) {
  io::write_file_atomic(path, encode_jpeg(image, quality));
}

void write_image(const std::filesystem::path& path, const Image& image) {
  const std::string ending = lower_ending(path.string());
  if (ending == ".png") return write_png(path, image);
  if (ending == ".jpg" || ending == ".jpeg") return write_jpeg(path, image);
  throw_error<ArgumentError>("[image] cannot write {}: the name must end in .png, .jpg or .jpeg",
                             path.string());
}

}  // namespace akimbo
