// Distribution-aware refinement of heatmap peaks.
#include <cmath>
#include <vector>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/pose/heatmap_decode.h"
#include "kernels/heatmap.h"

namespace akimbo {
namespace {

// Weights of a Gaussian of that many taps; its sigma as OpenCV derives it from the size.
std::vector<float> gaussian_taps(int size) {
  const double sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  std::vector<double> taps;
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const double d = i - (size - 1) / 2;
    taps.push_back(std::exp(-d * d / (2 * sigma * sigma)));
    sum += taps.back();
  }
  std::vector<float> result;
  for (const double tap : taps) result.push_back(static_cast<float>(tap / sum));
  return result;
}

}  // namespace

void refine_dark(const Tensor& heatmaps, Tensor& peaks, int kernel) {
  const bool fits = heatmaps.defined() && heatmaps.rank() == 4 && peaks.defined() &&
                    peaks.dtype() == DType::f32 &&
                    peaks.shape() == Shape{heatmaps.dim(0), heatmaps.dim(3), 3};
  if (!fits || kernel < 3 || kernel % 2 == 0 || kernel > kernels::kMaxDarkTaps) {
    throw_error<ArgumentError>(
        "[refine_dark] heatmaps {}, peaks {}, kernel {}; wanted [N,H,W,K], f32 [N,K,3], and an odd "
        "kernel of 3 to {}",
        heatmaps.defined() ? heatmaps.shape().str() : "undefined",
        peaks.defined() ? peaks.shape().str() : "undefined", kernel, kernels::kMaxDarkTaps);
  }
  const Device device = heatmaps.device();
  const Tensor maps = device.is_cpu() ? heatmaps.to(DType::f32) : heatmaps;
  Tensor refined = peaks.to(device);
  const std::vector<float> taps = gaussian_taps(kernel);
  AKIMBO_KERNEL(device, heatmap_dark)
  (exec_of(device), view_of(maps), {.taps = taps}, mutable_view_of(refined));
  if (!refined.is_same(peaks)) peaks.copy_from(refined);
}

}  // namespace akimbo
