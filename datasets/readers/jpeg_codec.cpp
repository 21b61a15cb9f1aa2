// JPEG through libjpeg-turbo. The only file that includes it.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

#include <jerror.h>

#include "datasets/readers/image_codecs.h"
#include "engine/core/error.h"

namespace akimbo::codecs {
namespace {

constexpr int kMaxScans = 500;  // a progressive file may ask for far more work than it has bytes

// libjpeg reports through callbacks. Errors leave by longjmp, since a C++ exception must not pass
// through C frames; no object with a destructor may live between setjmp and the failing call.
struct ErrorState {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  bool truncated;
};

ErrorState& state_of(j_common_ptr info) { return *reinterpret_cast<ErrorState*>(info->err); }

[[noreturn]] void on_error(j_common_ptr info) {
  ErrorState& state = state_of(info);
  info->err->format_message(info, state.message);
  std::longjmp(state.escape, 1);
}

// Of the warnings, the end of the file inside the picture is damage; stray bytes between markers,
// which published data sets hold, are not.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  if (info->err->msg_code == JWRN_JPEG_EOF || info->err->msg_code == JWRN_HIT_MARKER) {
    state_of(info).truncated = true;
  }
  ++info->err->num_warnings;
}

void init_errors(ErrorState& state) {
  jpeg_std_error(&state.manager);
  state.manager.error_exit = on_error;
  state.manager.emit_message = on_message;
  state.message[0] = '\0';
  state.truncated = false;
}

void on_progress(j_common_ptr info) {
  auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  if (decompress->input_scan_number > kMaxScans) {
    ErrorState& state = state_of(info);
    std::snprintf(state.message, sizeof state.message, "more than %d scans", kMaxScans);
    std::longjmp(state.escape, 1);
  }
}

class Decoder {
 public:
  explicit Decoder(Bytes bytes) : bytes_(bytes) { init_errors(errors_); }
  ~Decoder() {
    if (created_) jpeg_destroy_decompress(&info_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header() {
    if (setjmp(errors_.escape)) return false;
    info_.err = &errors_.manager;
    jpeg_create_decompress(&info_);
    created_ = true;
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes_.data(), static_cast<unsigned long>(bytes_.size()));
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool start(int scale_denominator) {
    if (setjmp(errors_.escape)) return false;
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(scale_denominator);
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    return true;
  }

  // Writes all rows, `row_bytes` apart. Stops at the first sign of truncation unless it is
  // accepted: what follows would be grey.
  bool read_rows(std::uint8_t* pixels, std::size_t row_bytes, bool accept_truncated) {
    if (setjmp(errors_.escape)) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + info_.output_scanline * row_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
      if (errors_.truncated && !accept_truncated) return true;
    }
    return true;
  }

  [[nodiscard]] bool is_cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }
  [[nodiscard]] bool truncated() const { return errors_.truncated; }
  [[nodiscard]] const char* message() const { return errors_.message; }
  [[nodiscard]] const jpeg_decompress_struct& info() const { return info_; }

 private:
  Bytes bytes_;
  ErrorState errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
  bool created_ = false;
};

[[noreturn]] void throw_damaged(const std::string& where, const Decoder& decoder) {
  throw_error<FileError>("[image] cannot decode the JPEG {}: {}; download or convert it again",
                         where, decoder.message());
}

// Files with an Adobe marker hold inverted ink, and that is nearly all of them.
Image cmyk_to_rgb(const Image& cmyk, bool inverted) {
  Image rgb(cmyk.height, cmyk.width, 3);
  const std::size_t count = static_cast<std::size_t>(cmyk.width) * cmyk.height;
  const std::uint8_t flip = inverted ? 0 : 255;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* in = cmyk.pixels.data() + 4 * i;
    const int k = in[3] ^ flip;
    for (int c = 0; c < 3; ++c) {
      rgb.pixels[3 * i + c] = static_cast<std::uint8_t>(k - (((255 - (in[c] ^ flip)) * k) >> 8));
    }
  }
  return rgb;
}

int orientation_of(const jpeg_decompress_struct& info) {
  for (jpeg_saved_marker_ptr m = info.marker_list; m != nullptr; m = m->next) {
    if (m->marker != JPEG_APP0 + 1) continue;
    const int orientation = exif_orientation({m->data, m->data_length});
    if (orientation != 1) return orientation;
  }
  return 1;
}

class Encoder {
 public:
  Encoder() { init_errors(errors_); }
  ~Encoder() {
    if (created_) jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool run(const Image& image, int quality) {
    if (setjmp(errors_.escape)) return false;
    info_.err = &errors_.manager;
    jpeg_create_compress(&info_);
    created_ = true;
    jpeg_mem_dest(&info_, &buffer_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = image.channels;
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    info_.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      // libjpeg reads the row only, but its interface is not const.
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info_.next_scanline)));
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  [[nodiscard]] std::string bytes() const {
    return {reinterpret_cast<const char*>(buffer_), size_};
  }
  [[nodiscard]] const char* message() const { return errors_.message; }

 private:
  ErrorState errors_{};
  jpeg_compress_struct info_{};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
  bool created_ = false;
};

}  // namespace

Image decode_jpeg(Bytes bytes, const std::string& where, const ImageDecodeOptions& options) {
  Decoder decoder(bytes);
  if (!decoder.read_header()) throw_damaged(where, decoder);
  const jpeg_decompress_struct& info = decoder.info();
  check_image_size(info.image_width, info.image_height, options.max_pixels, where);
  if (!decoder.start(options.scale_denominator)) throw_damaged(where, decoder);
  Image image(static_cast<int>(info.output_height), static_cast<int>(info.output_width),
              info.output_components);
  const std::size_t row_bytes = static_cast<std::size_t>(image.width) * image.channels;
  if (!decoder.read_rows(image.pixels.data(), row_bytes, options.accept_truncated)) {
    throw_damaged(where, decoder);
  }
  if (decoder.truncated() && !options.accept_truncated) {
    throw_error<FileError>("[image] the JPEG {} is truncated ({} bytes); download it again", where,
                           bytes.size());
  }
  if (decoder.is_cmyk()) image = cmyk_to_rgb(image, info.saw_Adobe_marker != 0);
  if (options.apply_exif_orientation) {
    image = apply_orientation(std::move(image), orientation_of(info));
  }
  return image;
}

ImageSize jpeg_size(Bytes bytes, const std::string& where) {
  Decoder decoder(bytes);
  if (!decoder.read_header()) throw_damaged(where, decoder);
  return {static_cast<int>(decoder.info().image_width),
          static_cast<int>(decoder.info().image_height)};
}

std::string encode_jpeg(const Image& image, int quality) {
  Encoder encoder;
  if (!encoder.run(image, quality)) {
    throw_error<ArgumentError>("[image] cannot write a JPEG of {}x{} pixels: {}", image.width,
                               image.height, encoder.message());
  }
  return encoder.bytes();
}

}  // namespace akimbo::codecs
