#include "engine/pose/crop.h"

#include <algorithm>
#include <cmath>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/warp.h"

namespace akimbo {
namespace {

kernels::WarpParams warp_params(const Affine& affine, WarpMode mode, bool mirror) {
  return {.matrix = affine,
          .rule = mode == WarpMode::opencv ? kernels::WarpRule::exact : kernels::WarpRule::fast,
          .mirror = mirror};
}

void check(const char* where, const Image& image, const Affine& affine, Size2 output) {
  if (image.empty() || image.channels < 1 || image.channels > 4) {
    throw_error<ArgumentError>(
        "[{}] the picture is {}x{} with {} channels; wanted 1 to 4 channels "
        "and at least one pixel",
        where, image.width, image.height, image.channels);
  }
  if (output.width <= 0 || output.height <= 0) {
    throw_error<ArgumentError>("[{}] output size is {}x{}, wanted positive sides", where,
                               output.width, output.height);
  }
  if (!std::all_of(affine.begin(), affine.end(), [](double v) { return std::isfinite(v); })) {
    throw_error<ArgumentError>("[{}] the matrix holds NaN or infinity; check the box it came from",
                               where);
  }
}

kernels::ConstView view_of_image(const Image& image) {
  return {image.pixels.data(), DType::u8, Shape{image.height, image.width, image.channels}};
}

}  // namespace

WarpMode parse_warp_mode(std::string_view name) {
  if (name == "opencv") return WarpMode::opencv;
  if (name == "fast") return WarpMode::fast;
  throw_error<ConfigError>("[warp] unknown mode \"{}\"; wanted \"opencv\" or \"fast\"", name);
}

ChannelOrder parse_channel_order(std::string_view name) {
  if (name == "rgb") return ChannelOrder::rgb;
  if (name == "bgr") return ChannelOrder::bgr;
  throw_error<ConfigError>("[crop] unknown channel order \"{}\"; wanted \"rgb\" or \"bgr\"", name);
}

Image warp_affine(const Image& image, const Affine& image_to_crop, Size2 output, WarpMode mode,
                  bool mirror) {
  check("warp_affine", image, image_to_crop, output);
  Image result(output.height, output.width, image.channels);
  const kernels::View y{result.pixels.data(), DType::u8,
                        Shape{output.height, output.width, image.channels}};
  AKIMBO_KERNEL(kCpu, warp_forward)
  (exec_of(kCpu), view_of_image(image), warp_params(image_to_crop, mode, mirror), y);
  return result;
}

Cropper::Cropper(const CropOptions& options) : options_(options), table_(3 * 256) {
  if (options.output.width <= 0 || options.output.height <= 0) {
    throw_error<ArgumentError>("[crop] output size is {}x{}, wanted positive sides",
                               options.output.width, options.output.height);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    if (!(options.deviation[c] > 0)) {
      throw_error<ArgumentError>("[crop] deviation {} of channel {} must be positive",
                                 options.deviation[c], c);
    }
    for (std::size_t v = 0; v < 256; ++v) {
      const float unit = static_cast<float>(v) / 255.0f;
      const float centred = unit - options.mean[c];
      table_[256 * c + v] = centred / options.deviation[c];
    }
  }
}

std::size_t Cropper::slot_size() const {
  return static_cast<std::size_t>(options_.output.width) * options_.output.height * 3;
}

void Cropper::check(const Image& image, const Affine& image_to_crop) const {
  akimbo::check("crop", image, image_to_crop, options_.output);
  if (image.channels != 3) {
    throw_error<ArgumentError>("[crop] the picture has {} channels; wanted 3", image.channels);
  }
}

kernels::CropParams Cropper::params(const Affine& image_to_crop, bool mirror,
                                    const float* table) const {
  kernels::CropParams params{.warp = warp_params(image_to_crop, options_.mode, mirror),
                             .table = table,
                             .swap_red_blue = options_.order == ChannelOrder::bgr};
  for (std::size_t c = 0; c < 3; ++c) {
    params.scale[c] = 1.0f / (255.0f * options_.deviation[c]);
    params.shift[c] = -options_.mean[c] / options_.deviation[c];
  }
  return params;
}

void Cropper::crop(const Image& image, const Affine& image_to_crop, bool mirror,
                   std::span<float> slot) const {
  check(image, image_to_crop);
  if (slot.size() != slot_size()) {
    throw_error<ArgumentError>("[crop] the slot has {} elements; wanted {}", slot.size(),
                               slot_size());
  }
  const kernels::CropParams params = this->params(image_to_crop, mirror, table_.data());
  const kernels::View y{slot.data(), DType::f32,
                        Shape{options_.output.height, options_.output.width, 3}};
  AKIMBO_KERNEL(kCpu, crop_forward)(exec_of(kCpu), view_of_image(image), params, y);
}

Affine affine_for_reduced(const Affine& full, int denominator, int mirror_width) {
  // Pixel i of the reduced picture covers full pixels d i to d i + d - 1: its centre is at
  // d i + (d - 1) / 2.
  const double d = denominator;
  const double offset = (d - 1) / 2;
  Affine to_full = {d, 0, offset, 0, d, offset};
  if (mirror_width > 0) {
    to_full[0] = -d;
    to_full[2] = mirror_width - 1 - offset;
  }
  return compose(full, to_full);
}

int reduction_for(const Affine& m) {
  const double crop_per_image = std::sqrt(std::abs(m[0] * m[4] - m[1] * m[3]));
  for (const int d : {8, 4, 2}) {
    if (crop_per_image * d <= 1) return d;
  }
  return 1;
}

}  // namespace akimbo
