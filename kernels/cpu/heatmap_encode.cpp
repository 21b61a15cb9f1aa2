// Gaussian heatmap targets on the CPU.
#include "kernels/heatmap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

// exp(-(i - R)^2 / (2 sigma^2)) over the square, computed in f32 as the references do.
std::vector<float> gaussian_patch(int radius, double sigma) {
  const int side = 2 * radius + 1;
  const auto divisor = static_cast<float>(2 * sigma * sigma);
  std::vector<float> patch(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  auto* value = patch.data();
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const auto d2 = static_cast<float>((x - radius) * (x - radius) + (y - radius) * (y - radius));
      *value++ = std::exp(-d2 / divisor);
    }
  }
  return patch;
}

// Far outside any map, and safe to convert to int.
bool is_far(double cell) { return !(std::abs(cell) < 1e8); }

// The Gaussian around a cell (x, y), whose square begins at (left, top).
struct Patch {
  const std::vector<float>& values;
  int radius;
  [[nodiscard]] int side() const { return 2 * radius + 1; }
  [[nodiscard]] float at(int dx, int dy) const {
    return values[static_cast<std::size_t>(dy * side() + dx)];
  }
};

float gaussian_at(double dx, double dy, double sigma) {
  const auto x = static_cast<float>(dx), y = static_cast<float>(dy);
  return std::exp(-(x * x + y * y) / static_cast<float>(2 * sigma * sigma));
}

// One sample: joints [K,2], weight [K], target [h,w,K] of zeros.
template <typename T>
void encode_sample(const double* joints, const HeatmapEncodeParams& params, const Patch& patch,
                   const Shape& shape, float* weight, T* target) {
  const auto h = static_cast<int>(shape[1]), w = static_cast<int>(shape[2]);
  const auto num_keypoints = static_cast<std::size_t>(shape[3]);
  const int side = patch.side();
  for (std::size_t k = 0; k < num_keypoints; ++k) {
    const double place_x = joints[2 * k] / params.stride_x;
    const double place_y = joints[2 * k + 1] / params.stride_y;
    const double cell_x = place_x + 0.5;
    const double cell_y = place_y + 0.5;
    // Truncation, not floor, as in the references.
    const int left = is_far(cell_x) ? w : static_cast<int>(cell_x) - patch.radius;
    const int top = is_far(cell_y) ? h : static_cast<int>(cell_y) - patch.radius;
    if (left >= w || top >= h || left + side < 0 || top + side < 0) {
      weight[k] = 0;
    } else if (weight[k] > 0.5f) {
      for (int y = std::max(top, 0); y < std::min(top + side, h); ++y) {
        for (int x = std::max(left, 0); x < std::min(left + side, w); ++x) {
          const auto cell = static_cast<std::size_t>(y) * static_cast<std::size_t>(w) +
                            static_cast<std::size_t>(x);
          target[cell * num_keypoints + k] =
              static_cast<T>(params.subpixel ? gaussian_at(x - place_x, y - place_y, params.sigma)
                                             : patch.at(x - left, y - top));
        }
      }
    }
    if (!params.loss_weights.empty()) weight[k] *= params.loss_weights[k];
  }
}

}  // namespace

void heatmap_encode(const Exec&, ConstView joints, const HeatmapEncodeParams& params, View weight,
                    View target) {
  const int radius = static_cast<int>(params.sigma * 3);
  const std::vector<float> values = gaussian_patch(radius, params.sigma);
  const Patch patch{values, radius};
  const std::int64_t keypoints = target.dim(3);
  const std::int64_t map_size = target.dim(1) * target.dim(2) * keypoints;
  visit_floating(target.dtype, [&]<typename T>() {
    parallel_for(target.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
      std::fill(target.data<T>() + begin * map_size, target.data<T>() + end * map_size, T(0));
      for (std::int64_t i = begin; i < end; ++i) {
        encode_sample(joints.data<double>() + i * keypoints * 2, params, patch, target.shape,
                      weight.data<float>() + i * keypoints, target.data<T>() + i * map_size);
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
