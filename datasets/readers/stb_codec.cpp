// PNG, BMP, PNM and TGA through stb_image. The only file that includes it.
#include <stb_image.h>
#include <stb_image_write.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "datasets/readers/image_codecs.h"
#include "engine/core/error.h"

namespace akimbo::codecs {
namespace {

// stb_image takes bytes past the end of memory for zeros, so a cut-off BMP would come out partly
// black. Reading through callbacks, we learn that it asked for more than there is.
struct Source {
  Bytes bytes;
  std::size_t position = 0;
  bool overrun = false;
};

int read_source(void* user, char* data, int size) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t left = source.bytes.size() - source.position;
  const std::size_t count = std::min(left, static_cast<std::size_t>(std::max(size, 0)));
  // It fills its buffer of 128 bytes ahead of need, so that read may fall short at the end of a
  // whole file; any other is of pixels that it counts on.
  const bool is_buffer = size == 128;
  if (count < static_cast<std::size_t>(std::max(size, 0)) && (count == 0 || !is_buffer)) {
    source.overrun = true;
  }
  if (count > 0) std::memcpy(data, source.bytes.data() + source.position, count);
  source.position += count;
  return static_cast<int>(count);
}

void skip_source(void* user, int count) {
  auto& source = *static_cast<Source*>(user);
  const auto target = static_cast<std::int64_t>(source.position) + count;
  const auto size = static_cast<std::int64_t>(source.bytes.size());
  source.overrun |= target > size;
  source.position = static_cast<std::size_t>(std::clamp<std::int64_t>(target, 0, size));
}

int source_at_end(void* user) {
  const auto& source = *static_cast<Source*>(user);
  return source.position >= source.bytes.size() ? 1 : 0;
}

constexpr stbi_io_callbacks kCallbacks = {read_source, skip_source, source_at_end};

[[noreturn]] void throw_damaged(const std::string& where, const char* reason) {
  throw_error<FileError>("[image] cannot decode the picture {}: {}; download or convert it again",
                         where, reason == nullptr ? "unknown reason" : reason);
}

struct FreePixels {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                             static_cast<std::size_t>(size));
}

}  // namespace

ImageSize other_size(Bytes bytes, const std::string& where) {
  Source source{bytes};
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_callbacks(&kCallbacks, &source, &width, &height, &channels)) {
    throw_damaged(where, stbi_failure_reason());
  }
  return {width, height};
}

Image decode_other(Bytes bytes, const std::string& where, const ImageDecodeOptions& options) {
  const ImageSize claimed = other_size(bytes, where);
  check_image_size(claimed.width, claimed.height, options.max_pixels, where);
  Source source{bytes};
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, FreePixels> pixels(
      stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels, 3));
  if (pixels == nullptr) throw_damaged(where, stbi_failure_reason());
  if (source.overrun) throw_damaged(where, "the file is truncated");
  Image image(height, width, 3);
  std::memcpy(image.pixels.data(), pixels.get(), image.pixels.size());
  return image;
}

std::string encode_png(const Image& image) {
  std::string bytes;
  const int row_bytes = image.width * image.channels;
  if (!stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels,
                              image.pixels.data(), row_bytes)) {
    throw_error<ArgumentError>("[image] cannot write a PNG of {}x{} pixels", image.width,
                               image.height);
  }
  return bytes;
}

}  // namespace akimbo::codecs
