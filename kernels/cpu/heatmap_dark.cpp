// Distribution-aware refinement of heatmap peaks.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cpu {
namespace {

// The smallest value whose logarithm is taken, as in the published code.
constexpr float kFloor = 1e-10f;

// One keypoint's map [h, w], taken out of the channels.
struct Plane {
  int height, width;
  std::vector<float> values;
  [[nodiscard]] float& at(int y, int x) {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(x)];
  }
};

// Along x (step (0, 1)) or y; 0 outside.
void smooth(Plane& plane, std::span<const float> taps, int step_y, int step_x) {
  Plane from = plane;
  const int reach = static_cast<int>(taps.size()) / 2;
  for (int y = 0; y < plane.height; ++y) {
    for (int x = 0; x < plane.width; ++x) {
      float sum = 0;
      for (int i = -reach; i <= reach; ++i) {
        const int v = y + i * step_y, u = x + i * step_x;
        if (v < 0 || u < 0 || v >= plane.height || u >= plane.width) continue;
        sum += taps[static_cast<std::size_t>(i + reach)] * from.at(v, u);
      }
      plane.at(y, x) = sum;
    }
  }
}

// The logarithm of the smoothed map, brought to its old maximum.
void take_log(Plane& plane, std::span<const float> taps) {
  const float before = *std::max_element(plane.values.begin(), plane.values.end());
  smooth(plane, taps, 0, 1);
  smooth(plane, taps, 1, 0);
  const float after = *std::max_element(plane.values.begin(), plane.values.end());
  const float factor = after > 0 ? before / after : 1;
  for (float& value : plane.values) value = std::log(std::max(value * factor, kFloor));
}

// One Newton step from the cell to where the gradient vanishes.
void refine(Plane& log_map, float* peak) {
  const int x = static_cast<int>(peak[0]), y = static_cast<int>(peak[1]);
  if (x <= 1 || x >= log_map.width - 2 || y <= 1 || y >= log_map.height - 2) return;
  const auto l = [&](int dy, int dx) { return log_map.at(y + dy, x + dx); };
  const double gx = 0.5 * (l(0, 1) - l(0, -1));
  const double gy = 0.5 * (l(1, 0) - l(-1, 0));
  const double xx = 0.25 * (l(0, 2) - 2 * l(0, 0) + l(0, -2));
  const double yy = 0.25 * (l(2, 0) - 2 * l(0, 0) + l(-2, 0));
  const double xy = 0.25 * (l(1, 1) - l(-1, 1) - l(1, -1) + l(-1, -1));
  const double determinant = xx * yy - xy * xy;
  // Only downhill on every side is there a top to go to.
  if (!(determinant > 0) || !(xx < 0)) return;
  peak[0] += static_cast<float>(-(yy * gx - xy * gy) / determinant);
  peak[1] += static_cast<float>(-(xx * gy - xy * gx) / determinant);
}

}  // namespace

void heatmap_dark(const Exec&, ConstView x, const HeatmapDarkParams& params, View peaks) {
  const std::int64_t k = x.dim(3), pixels = x.dim(1) * x.dim(2);
  const float* from = x.data<float>();
  float* to = peaks.data<float>();
  parallel_for(x.dim(0) * k, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Plane plane{static_cast<int>(x.dim(1)), static_cast<int>(x.dim(2)), {}};
      plane.values.resize(static_cast<std::size_t>(pixels));
      const float* values = from + i / k * pixels * k + i % k;
      for (std::int64_t p = 0; p < pixels; ++p) {
        plane.values[static_cast<std::size_t>(p)] = values[p * k];
      }
      take_log(plane, params.taps);
      refine(plane, to + 3 * i);
    }
  });
}

}  // namespace akimbo::kernels::cpu
