#include "engine/pose/heatmap_codec.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/error.h"

namespace akimbo {
namespace {

// exp(-(i - R)^2 / (2 sigma^2)) over the square, computed in f32 as the references do.
std::vector<float> gaussian_patch(int radius, double sigma) {
  const int side = 2 * radius + 1;
  const auto divisor = static_cast<float>(2 * sigma * sigma);
  std::vector<float> patch(static_cast<std::size_t>(side) * side);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const auto d2 = static_cast<float>((x - radius) * (x - radius) + (y - radius) * (y - radius));
      patch[static_cast<std::size_t>(y) * side + x] = std::exp(-d2 / divisor);
    }
  }
  return patch;
}

// Far outside any map, and safe to convert to int.
bool is_far(double cell) { return !(std::abs(cell) < 1e8); }

void draw(const HeatmapCodec& codec, const std::vector<float>& patch, int side, int left, int top,
          std::span<float> target, std::size_t k, std::size_t num_keypoints) {
  const int w = codec.heatmap_size.width;
  const int h = codec.heatmap_size.height;
  for (int y = std::max(top, 0); y < std::min(top + side, h); ++y) {
    for (int x = std::max(left, 0); x < std::min(left + side, w); ++x) {
      target[(static_cast<std::size_t>(y) * w + x) * num_keypoints + k] =
          patch[static_cast<std::size_t>(y - top) * side + (x - left)];
    }
  }
}

}  // namespace

double HeatmapCodec::stride_x() const {
  return static_cast<double>(input_size.width) / heatmap_size.width;
}

double HeatmapCodec::stride_y() const {
  return static_cast<double>(input_size.height) / heatmap_size.height;
}

double HeatmapCodec::aspect() const {
  return static_cast<double>(input_size.width) / input_size.height;
}

void HeatmapCodec::check(const char* where) const {
  const bool positive = input_size.width > 0 && input_size.height > 0 && heatmap_size.width > 0 &&
                        heatmap_size.height > 0 && sigma > 0 && sigma < 1000;
  if (!positive) {
    throw_error<ArgumentError>(
        "[{}] input {}x{}, heatmap {}x{}, sigma {}: all must be positive (sigma below 1000)", where,
        input_size.width, input_size.height, heatmap_size.width, heatmap_size.height, sigma);
  }
}

void encode_heatmaps(const HeatmapCodec& codec, std::span<const Point> joints_crop,
                     std::span<float> weight, std::span<float> target,
                     std::span<const float> loss_weights) {
  const std::size_t num_keypoints = joints_crop.size();
  const int w = codec.heatmap_size.width;
  const int h = codec.heatmap_size.height;
  if (weight.size() != num_keypoints ||
      (!loss_weights.empty() && loss_weights.size() != num_keypoints) ||
      target.size() != num_keypoints * static_cast<std::size_t>(w) * h) {
    throw_error<ArgumentError>(
        "[encode_heatmaps] {} joints with {} weights, {} loss weights and a target of {} elements; "
        "wanted as many weights as joints (loss weights may be absent) and a target [{},{},{}]",
        num_keypoints, weight.size(), loss_weights.size(), target.size(), h, w, num_keypoints);
  }
  const int radius = static_cast<int>(codec.sigma * 3);
  const int side = 2 * radius + 1;
  const std::vector<float> patch = gaussian_patch(radius, codec.sigma);
  std::fill(target.begin(), target.end(), 0.0f);
  for (std::size_t k = 0; k < num_keypoints; ++k) {
    const double cell_x = joints_crop[k].x / codec.stride_x() + 0.5;
    const double cell_y = joints_crop[k].y / codec.stride_y() + 0.5;
    // Truncation, not floor, as in the references.
    const int left = is_far(cell_x) ? w : static_cast<int>(cell_x) - radius;
    const int top = is_far(cell_y) ? h : static_cast<int>(cell_y) - radius;
    if (left >= w || top >= h || left + side < 0 || top + side < 0) {
      weight[k] = 0;
    } else if (weight[k] > 0.5f) {
      draw(codec, patch, side, left, top, target, k, num_keypoints);
    }
    if (!loss_weights.empty()) weight[k] *= loss_weights[k];
  }
}

}  // namespace akimbo
