// A decoded picture in memory. Reading and writing files is in datasets/readers/image_file.h.
#pragma once

#include <cstdint>
#include <vector>

namespace akimbo {

// 8 bits per channel, rows top to bottom, channels interleaved [H, W, C]. Colour is RGB everywhere
// in memory; networks trained on BGR say so in their config and swap while normalising.
struct Image {
  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int h, int w, int c)
      : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h) * w * c) {}
  [[nodiscard]] bool empty() const { return pixels.empty(); }
  [[nodiscard]] std::uint8_t* row(int y) {
    return pixels.data() + static_cast<std::size_t>(y) * width * channels;
  }
  [[nodiscard]] const std::uint8_t* row(int y) const {
    return pixels.data() + static_cast<std::size_t>(y) * width * channels;
  }
};

}  // namespace akimbo
