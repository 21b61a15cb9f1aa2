#include "apps/draw/debug_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "apps/draw/canvas.h"
#include "datasets/readers/image_file.h"
#include "engine/core/error.h"

namespace akimbo::draw {
namespace {

constexpr int kPerRow = 8, kGap = 2;
using Pixel = std::array<std::uint8_t, 3>;

// What OpenCV's circle() of radius 2 and thickness 2 covers, by row: columns -reach to reach.
constexpr std::array<int, 7> kThickCircle{1, 2, 3, 3, 3, 2, 1};

void set_pixel(Image& image, int x, int y, const Pixel& colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy(colour.begin(), colour.end(), image.row(y) + static_cast<std::ptrdiff_t>(3) * x);
}

void stamp_thick_circle(Image& image, int x, int y, const Pixel& colour) {
  for (int dy = -3; dy <= 3; ++dy) {
    const int reach = kThickCircle[static_cast<std::size_t>(dy + 3)];
    for (int dx = -reach; dx <= reach; ++dx) set_pixel(image, x + dx, y + dy, colour);
  }
}

// Radius 1, thickness 1: the four neighbours.
void stamp_small_circle(Image& image, int x, int y, const Pixel& colour) {
  set_pixel(image, x - 1, y, colour);
  set_pixel(image, x + 1, y, colour);
  set_pixel(image, x, y - 1, colour);
  set_pixel(image, x, y + 1, colour);
}

void require_crops(const char* where, const Tensor& input) {
  if (input.rank() != 4 || input.dim(3) != 3 || input.dim(0) < 1) {
    throw_error<ArgumentError>("[{}] the input is {}; it must be [N,H,W,3]", where,
                               input.shape().str());
  }
}

struct Range {
  float low, high;
};
Range range_of(const Tensor& input) {
  const auto values = input.values<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

// 0..1 to 0..255, cut off and truncated.
std::uint8_t byte_of(float value) {
  const float scaled = value * 255.0f;
  return static_cast<std::uint8_t>(scaled > 0 ? std::min(scaled, 255.0f) : 0.0f);
}

// One axis of OpenCV's bilinear resize of bytes: weights in 11 bits.
struct Tap {
  int first, second;
  int weight_first, weight_second;
};
std::vector<Tap> taps_of(int from, int to) {
  std::vector<Tap> taps;
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    auto at = static_cast<float>((i + 0.5) * scale - 0.5);
    int first = static_cast<int>(std::floor(at));
    at -= static_cast<float>(first);
    if (first < 0) first = 0, at = 0;
    if (first >= from - 1) first = from - 1, at = 0;
    taps.push_back({first, std::min(first + 1, from - 1),
                    static_cast<int>(std::lrint((1.0f - at) * 2048)),
                    static_cast<int>(std::lrint(at * 2048))});
  }
  return taps;
}

// The bytes of cv::resize(INTER_LINEAR). (An exact halving takes that library's box filter, whose
// result is the same.)
Image resized(const Image& image, int height, int width) {
  const std::vector<Tap> columns = taps_of(image.width, width);
  const std::vector<Tap> rows = taps_of(image.height, height);
  Image out(height, width, 3);
  for (int y = 0; y < height; ++y) {
    const Tap& ty = rows[static_cast<std::size_t>(y)];
    for (int x = 0; x < width; ++x) {
      const Tap& tx = columns[static_cast<std::size_t>(x)];
      for (int c = 0; c < 3; ++c) {
        const auto along = [&](int row) {
          return image.row(row)[3 * tx.first + c] * tx.weight_first +
                 image.row(row)[3 * tx.second + c] * tx.weight_second;
        };
        const int value = (((ty.weight_first * (along(ty.first) >> 4)) >> 16) +
                           ((ty.weight_second * (along(ty.second) >> 4)) >> 16) + 2) >>
                          2;
        out.row(y)[3 * x + c] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
  return out;
}

struct Peak {
  int x = 0, y = 0;
};

// First largest value in row order; (0, 0) when it is not above 0. [N*K], crop after crop.
std::vector<Peak> peaks_of(const Tensor& heatmaps) {
  const std::int64_t n = heatmaps.dim(0), h = heatmaps.dim(1), w = heatmaps.dim(2);
  const std::int64_t k = heatmaps.dim(3);
  const float* p = heatmaps.data<float>();
  std::vector<Peak> peaks(static_cast<std::size_t>(n * k));
  std::vector<float> best(peaks.size(), 0.0f);
  for (std::int64_t b = 0; b < n; ++b) {
    for (std::int64_t cell = 0; cell < h * w; ++cell) {
      for (std::int64_t j = 0; j < k; ++j) {
        const float value = *p++;
        const auto at = static_cast<std::size_t>(b * k + j);
        if (value > best[at]) {
          best[at] = value;
          peaks[at] = {static_cast<int>(cell % w), static_cast<int>(cell / w)};
        }
      }
    }
  }
  return peaks;
}

// Crop b as bytes, normalised by the batch's range as the heatmap pictures do.
Image crop_of(const Tensor& input, std::int64_t b, const Range& range) {
  Image crop(static_cast<int>(input.dim(1)), static_cast<int>(input.dim(2)), 3);
  const float* p = input.data<float>() + b * static_cast<std::int64_t>(crop.pixels.size());
  const auto divisor = static_cast<float>(static_cast<double>(range.high) - range.low + 1e-5);
  for (std::uint8_t& byte : crop.pixels) byte = byte_of((*p++ - range.low) / divisor);
  return crop;
}

void paste(Image& sheet, const Image& image, int top, int left) {
  for (int y = 0; y < image.height; ++y) {
    std::copy_n(image.row(y), static_cast<std::size_t>(3) * image.width,
                sheet.row(top + y) + static_cast<std::ptrdiff_t>(3) * left);
  }
}

// JET over the crop, in BGR order as the reference's colour map gives it.
Image coloured_map(const Tensor& heatmaps, std::int64_t b, std::int64_t j, const Image& crop) {
  const std::int64_t k = heatmaps.dim(3);
  Image out(crop.height, crop.width, 3);
  const float* p = heatmaps.data<float>() + b * heatmaps.dim(1) * heatmaps.dim(2) * k + j;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3, p += k) {
    const Colour colour = jet(byte_of(*p));
    const Pixel bgr{colour.b, colour.g, colour.r};
    for (std::size_t c = 0; c < 3; ++c) {
      out.pixels[i + c] = static_cast<std::uint8_t>(bgr[c] * 0.7 + crop.pixels[i + c] * 0.3);
    }
  }
  return out;
}

Tensor swapped_channels(const Tensor& input) {
  Tensor out = input.clone();
  float* p = out.data<float>();
  for (std::int64_t i = 0; i < out.numel(); i += 3) std::swap(p[i], p[i + 2]);
  return out;
}

// Peaks at the crop's size as a tensor of joints [N,K,2].
Tensor peak_joints(const Tensor& heatmaps, const Tensor& input) {
  Tensor joints = Tensor::zeros({heatmaps.dim(0), heatmaps.dim(3), 2});
  const float scale_x = static_cast<float>(input.dim(2)) / static_cast<float>(heatmaps.dim(2));
  const float scale_y = static_cast<float>(input.dim(1)) / static_cast<float>(heatmaps.dim(1));
  float* out = joints.data<float>();
  for (const Peak& peak : peaks_of(heatmaps)) {
    *out++ = static_cast<float>(peak.x) * scale_x;
    *out++ = static_cast<float>(peak.y) * scale_y;
  }
  return joints;
}

}  // namespace

Image joints_picture(const Tensor& input, const Tensor& joints_crop, const Tensor& visible) {
  require_crops("joints_picture", input);
  const std::int64_t n = input.dim(0), k = visible.rank() == 2 ? visible.dim(1) : 0;
  if (!(joints_crop.shape() == Shape({n, k, 2})) || !(visible.shape() == Shape({n, k}))) {
    throw_error<ArgumentError>(
        "[joints_picture] joints {} and visible {} for {} crops; they must "
        "be [N,K,2] and [N,K]",
        joints_crop.shape().str(), visible.shape().str(), n);
  }
  const int height = static_cast<int>(input.dim(1)), width = static_cast<int>(input.dim(2));
  const int columns = static_cast<int>(std::min<std::int64_t>(kPerRow, n));
  const int rows = static_cast<int>((n + columns - 1) / columns);
  const int gap = n == 1 ? 0 : kGap;
  const Range range = range_of(input);
  const float divisor = std::max(range.high - range.low, 1e-5f);
  Image sheet(rows * (height + gap) + gap, columns * (width + gap) + gap, 3);
  const float* p = input.data<float>();
  for (int b = 0; b < n; ++b) {
    Image crop(height, width, 3);
    for (std::uint8_t& byte : crop.pixels) byte = byte_of((*p++ - range.low) / divisor);
    paste(sheet, crop, gap + b / columns * (height + gap), gap + b % columns * (width + gap));
  }
  const float* joint = joints_crop.data<float>();
  const float* seen = visible.data<float>();
  for (int i = 0; i < n * k; ++i, joint += 2, ++seen) {
    if (*seen <= 0 || !std::isfinite(joint[0]) || !std::isfinite(joint[1])) continue;
    const int b = i / static_cast<int>(k);
    const double x = b % columns * (width + kGap) + kGap + double(joint[0]);
    const double y = b / columns * (height + kGap) + kGap + double(joint[1]);
    if (std::abs(x) > 1e6 || std::abs(y) > 1e6) continue;
    stamp_thick_circle(sheet, static_cast<int>(x), static_cast<int>(y), {255, 0, 0});
  }
  return sheet;
}

Image heatmap_picture(const Tensor& input, const Tensor& heatmaps) {
  require_crops("heatmap_picture", input);
  if (heatmaps.rank() != 4 || heatmaps.dim(0) != input.dim(0)) {
    throw_error<ArgumentError>("[heatmap_picture] heatmaps {} for {} crops; they must be [N,h,w,K]",
                               heatmaps.shape().str(), input.dim(0));
  }
  const int n = static_cast<int>(heatmaps.dim(0)), h = static_cast<int>(heatmaps.dim(1));
  const int w = static_cast<int>(heatmaps.dim(2)), k = static_cast<int>(heatmaps.dim(3));
  const Pixel mark{0, 0, 255};
  const Range range = range_of(input);
  const std::vector<Peak> peaks = peaks_of(heatmaps);
  Image sheet(n * h, (k + 1) * w, 3);
  for (int b = 0; b < n; ++b) {
    Image crop = resized(crop_of(input, b, range), h, w);
    for (int j = 0; j < k; ++j) {
      const Peak& peak = peaks[static_cast<std::size_t>(b) * k + j];
      stamp_small_circle(crop, peak.x, peak.y, mark);
      Image map = coloured_map(heatmaps, b, j, crop);
      stamp_small_circle(map, peak.x, peak.y, mark);
      paste(sheet, map, b * h, (j + 1) * w);
    }
    paste(sheet, crop, b * h, 0);
  }
  return sheet;
}

void write_debug_pictures(const std::filesystem::path& dir, const std::string& stem,
                          const DebugBatch& batch) {
  // The pictures are BGR; files are written from RGB.
  const Tensor input = batch.is_rgb ? swapped_channels(batch.input) : batch.input;
  const auto write = [&](const char* kind, Image picture) {
    for (std::size_t i = 0; i + 2 < picture.pixels.size(); i += 3) {
      std::swap(picture.pixels[i], picture.pixels[i + 2]);
    }
    write_jpeg(dir / (stem + "_" + kind + ".jpg"), picture);
  };
  write("gt", joints_picture(input, batch.joints_crop, batch.visible));
  write("pred", joints_picture(input, peak_joints(batch.output, input), batch.visible));
  write("hm_gt", heatmap_picture(input, batch.target));
  write("hm_pred", heatmap_picture(input, batch.output));
}

}  // namespace akimbo::draw
