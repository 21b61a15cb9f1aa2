#include "engine/pose/heatmap_decode.h"

#include <cmath>
#include <string>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/heatmap.h"

namespace akimbo {
namespace {

void check_heatmaps(const char* where, const Tensor& heatmaps) {
  const bool half_on_device = heatmaps.defined() && heatmaps.device().is_cuda() &&
                              (heatmaps.dtype() == DType::bf16 || heatmaps.dtype() == DType::f16);
  if (!heatmaps.defined() || heatmaps.rank() != 4 ||
      (heatmaps.dtype() != DType::f32 && !half_on_device)) {
    throw_error<ArgumentError>(
        "[{}] heatmaps must be f32 (on a GPU also bf16 or f16) [N,H,W,K], not {}", where,
        heatmaps.defined()
            ? std::string(dtype_name(heatmaps.dtype())) + " " + heatmaps.shape().str()
            : "undefined");
  }
  if (heatmaps.dim(1) < 1 || heatmaps.dim(2) < 1) {
    throw_error<ArgumentError>("[{}] heatmaps {} have no cells", where, heatmaps.shape().str());
  }
}

void check_peaks(const char* where, const Tensor& peaks, std::int64_t n, std::int64_t k) {
  if (!peaks.defined() || peaks.shape() != Shape{n, k, 3} || peaks.dtype() != DType::f32) {
    throw_error<ArgumentError>("[{}] peaks must be f32 {}, not {}", where, Shape{n, k, 3}.str(),
                               peaks.defined() ? peaks.shape().str() : "undefined");
  }
}

void check_permutation(const char* where, std::span<const int> permutation, std::int64_t k) {
  bool valid = static_cast<std::int64_t>(permutation.size()) == k;
  for (const int p : permutation) valid = valid && p >= 0 && p < k;
  if (!valid) {
    throw_error<ArgumentError>("[{}] the flip permutation of {} entries does not fit {} keypoints",
                               where, permutation.size(), k);
  }
}

Tensor decode_on_device(const char* where, const Tensor& heatmaps, bool quarter_offset) {
  check_heatmaps(where, heatmaps);
  const Device device = heatmaps.device();
  Tensor peaks = Tensor::empty({heatmaps.dim(0), heatmaps.dim(3), 3}, DType::f32, device);
  AKIMBO_KERNEL(device, heatmap_decode)
  (exec_of(device), view_of(heatmaps), {.quarter_offset = quarter_offset}, mutable_view_of(peaks));
  return peaks;
}

// Peaks on the CPU, wherever the maps are: they are few, and what follows runs there.
Tensor decode(const char* where, const Tensor& heatmaps, bool quarter_offset) {
  return decode_on_device(where, heatmaps, quarter_offset).to(kCpu);
}

Tensor unflip(const Tensor& heatmaps, const Tensor& mirrored, std::span<const int> permutation,
              bool shift) {
  const Device device = mirrored.device();
  Tensor result = Tensor::empty(mirrored.shape(), mirrored.dtype(), device);
  AKIMBO_KERNEL(device, heatmap_unflip)
  (exec_of(device), view_of(heatmaps), view_of(mirrored),
   {.permutation = permutation, .shift = shift}, mutable_view_of(result));
  return result;
}

}  // namespace

Tensor heatmap_argmax(const Tensor& heatmaps) { return decode("heatmap_argmax", heatmaps, false); }

Tensor heatmap_argmax_on_device(const Tensor& heatmaps) {
  return decode_on_device("heatmap_argmax", heatmaps, false);
}

void refine_quarter_offset(const Tensor& heatmaps, Tensor& peaks) {
  check_heatmaps("refine_quarter_offset", heatmaps);
  check_peaks("refine_quarter_offset", peaks, heatmaps.dim(0), heatmaps.dim(3));
  const Device device = heatmaps.device();
  Tensor on_device = peaks.to(device);
  AKIMBO_KERNEL(device, heatmap_refine)
  (exec_of(device), view_of(heatmaps), mutable_view_of(on_device));
  if (!on_device.is_same(peaks)) peaks.copy_from(on_device.to(peaks.device()));
}

Affine heatmap_to_image(const CenterScale& region, Size2 heatmap) {
  return crop_affine(region, 0.0, heatmap, AffineDirection::crop_to_image);
}

Tensor peaks_to_image(const Tensor& peaks, std::span<const Affine> matrices) {
  const bool right_rank = peaks.defined() && peaks.rank() == 3;
  const std::int64_t n = right_rank ? peaks.dim(0) : 0;
  const std::int64_t num_keypoints = right_rank ? peaks.dim(1) : 0;
  check_peaks("peaks_to_image", peaks, n, num_keypoints);
  if (static_cast<std::int64_t>(matrices.size()) != n) {
    throw_error<ArgumentError>("[peaks_to_image] {} samples, but {} matrices", n, matrices.size());
  }
  Tensor result = Tensor::empty(peaks.shape());
  const float* in = peaks.data<float>();
  float* out = result.data<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    const Affine& m = matrices[i];
    for (std::int64_t k = 0; k < num_keypoints; ++k, in += 3, out += 3) {
      const Point point = transform(m, {in[0], in[1]});
      out[0] = static_cast<float>(point.x);
      out[1] = static_cast<float>(point.y);
      out[2] = in[2];
    }
  }
  return result;
}

Tensor decode_heatmaps(const Tensor& heatmaps, std::span<const Affine> matrices,
                       const DecodeOptions& options) {
  const bool dark = options.dark_kernel > 0;
  Tensor peaks = decode_on_device("decode_heatmaps", heatmaps, options.quarter_offset && !dark);
  if (dark) refine_dark(heatmaps, peaks, options.dark_kernel);
  return peaks_to_image(peaks.to(kCpu), matrices);
}

Tensor unflip_heatmaps(const Tensor& mirrored, std::span<const int> flip_permutation, bool shift) {
  check_heatmaps("unflip_heatmaps", mirrored);
  check_permutation("unflip_heatmaps", flip_permutation, mirrored.dim(3));
  return unflip({}, mirrored, flip_permutation, shift);
}

Tensor average_flipped(const Tensor& heatmaps, const Tensor& mirrored,
                       std::span<const int> flip_permutation, bool shift) {
  check_heatmaps("average_flipped", heatmaps);
  check_heatmaps("average_flipped", mirrored);
  check_permutation("average_flipped", flip_permutation, mirrored.dim(3));
  if (heatmaps.shape() != mirrored.shape() || heatmaps.dtype() != mirrored.dtype() ||
      heatmaps.device() != mirrored.device()) {
    throw_error<ArgumentError>(
        "[average_flipped] heatmaps {} and mirrored ones {} must agree, in dtype and device too",
        heatmaps.shape().str(), mirrored.shape().str());
  }
  return unflip(heatmaps, mirrored, flip_permutation, shift);
}

HeatmapAccuracy heatmap_accuracy(const Tensor& output, const Tensor& target) {
  check_heatmaps("heatmap_accuracy", output);
  check_heatmaps("heatmap_accuracy", target);
  if (output.shape() != target.shape()) {
    throw_error<ArgumentError>("[heatmap_accuracy] output {} and target {} must agree",
                               output.shape().str(), target.shape().str());
  }
  return heatmap_accuracy(heatmap_argmax(output), heatmap_argmax(target),
                          {static_cast<int>(output.dim(2)), static_cast<int>(output.dim(1))});
}

HeatmapAccuracy heatmap_accuracy(const Tensor& output_peaks, const Tensor& target_peaks,
                                 Size2 heatmap) {
  const std::int64_t num_samples = output_peaks.dim(0), num_keypoints = output_peaks.dim(1);
  check_peaks("heatmap_accuracy", output_peaks, num_samples, num_keypoints);
  check_peaks("heatmap_accuracy", target_peaks, num_samples, num_keypoints);
  const Tensor predicted = output_peaks.to(kCpu), wanted = target_peaks.to(kCpu);
  const double norm_x = static_cast<double>(heatmap.height) / 10.0;  // exchanged, see header
  const double norm_y = static_cast<double>(heatmap.width) / 10.0;
  HeatmapAccuracy result;
  double sum = 0.0;
  for (std::int64_t k = 0; k < num_keypoints; ++k) {
    int counted = 0, right = 0;
    for (std::int64_t i = 0; i < num_samples; ++i) {
      const float* p = predicted.data<float>() + (i * num_keypoints + k) * 3;
      const float* t = wanted.data<float>() + (i * num_keypoints + k) * 3;
      if (!(t[0] > 1.0f && t[1] > 1.0f)) continue;
      const double dx = p[0] / norm_x - t[0] / norm_x;
      const double dy = p[1] / norm_y - t[1] / norm_y;
      ++counted;
      if (std::sqrt(dx * dx + dy * dy) < 0.5) ++right;
    }
    result.per_keypoint.push_back(counted > 0 ? static_cast<double>(right) / counted : -1.0);
    if (counted == 0) continue;
    sum += result.per_keypoint.back();
    ++result.num_keypoints;
  }
  result.average = result.num_keypoints > 0 ? sum / result.num_keypoints : 0.0;
  return result;
}

}  // namespace akimbo
