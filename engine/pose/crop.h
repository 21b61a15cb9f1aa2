// From a picture to the input of a network: the affine crop of one person, alone (8 bits) or
// normalised straight into its slot of a batch.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "engine/io/image.h"
#include "engine/pose/affine.h"

namespace akimbo {

namespace kernels {
struct CropParams;
}

// opencv: bit-identical to the library that the published pipelines used. fast: a finer grid of
// positions and no rounding to 8 bits in between; differs by a grey level or so.
enum class WarpMode { opencv, fast };
// "opencv" or "fast"; throws ConfigError otherwise.
[[nodiscard]] WarpMode parse_warp_mode(std::string_view name);

enum class ChannelOrder { rgb, bgr };
[[nodiscard]] ChannelOrder parse_channel_order(std::string_view name);

// The warped picture in 8 bits, black outside. `mirror` reads the picture as if its columns stood
// in reverse order (the matrix then belongs to the mirrored picture). Throws ArgumentError for an
// empty picture or a matrix that is not finite.
[[nodiscard]] Image warp_affine(const Image& image, const Affine& image_to_crop, Size2 output,
                                WarpMode mode = WarpMode::opencv, bool mirror = false);

struct CropOptions {
  Size2 output{192, 256};
  WarpMode mode = WarpMode::opencv;
  // Order of the channels in the network's input. The mean and deviation below go by position, in
  // whichever order: weights of Simple Baselines take BGR with the numbers made for RGB.
  ChannelOrder order = ChannelOrder::bgr;
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> deviation{0.229f, 0.224f, 0.225f};
};

// Crops and normalises: ((v / 255) - mean) / deviation, each step rounded to f32 in the opencv
// mode. Immutable after construction: threads share one.
class Cropper {
 public:
  explicit Cropper(const CropOptions& options);

  // Writes one crop into `slot` [h, w, 3] (a row of the batch). `image` is RGB.
  void crop(const Image& image, const Affine& image_to_crop, bool mirror,
            std::span<float> slot) const;
  // What crop() wants of its picture and matrix. Throws ArgumentError.
  void check(const Image& image, const Affine& image_to_crop) const;
  [[nodiscard]] const CropOptions& options() const { return options_; }
  // Elements of a slot.
  [[nodiscard]] std::size_t slot_size() const;
  // The normalised value of each 8-bit value, [3, 256] by channel of the output (mode opencv).
  [[nodiscard]] std::span<const float> table() const { return table_; }
  // The crop as kernels/warp.h has it; `table` is table() in the memory of the kernel's device.
  [[nodiscard]] kernels::CropParams params(const Affine& image_to_crop, bool mirror,
                                           const float* table) const;

 private:
  CropOptions options_;
  std::vector<float> table_;
};

// The map for a picture decoded at 1/denominator of its size: as `full`, which takes full-size
// coordinates. `mirror_width` > 0: `full` belongs to the mirrored picture of that full width.
[[nodiscard]] Affine affine_for_reduced(const Affine& full, int denominator, int mirror_width = 0);

// The largest decoding denominator (1, 2, 4, 8) at which the crop still takes no pixel from less
// than one pixel of the picture.
[[nodiscard]] int reduction_for(const Affine& image_to_crop);

}  // namespace akimbo
