#include "engine/pose/heatmap_decode.h"

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "kernels/common/parallel.h"

namespace akimbo {
namespace {

struct Maps {
  std::int64_t n, h, w, k;
  [[nodiscard]] std::int64_t map_size() const { return h * w * k; }
};

Maps check_heatmaps(const char* where, const Tensor& heatmaps) {
  if (!heatmaps.defined() || heatmaps.rank() != 4 || heatmaps.dtype() != DType::f32 ||
      !heatmaps.device().is_cpu()) {
    throw_error<ArgumentError>("[{}] heatmaps must be f32 [N,H,W,K] on the CPU, not {}", where,
                               heatmaps.defined() ? heatmaps.shape().str() : "undefined");
  }
  const Maps maps{heatmaps.dim(0), heatmaps.dim(1), heatmaps.dim(2), heatmaps.dim(3)};
  if (maps.h < 1 || maps.w < 1) {
    throw_error<ArgumentError>("[{}] heatmaps {} have no cells", where, heatmaps.shape().str());
  }
  return maps;
}

void check_peaks(const char* where, const Tensor& peaks, std::int64_t n, std::int64_t k) {
  if (!peaks.defined() || peaks.shape() != Shape{n, k, 3} || peaks.dtype() != DType::f32) {
    throw_error<ArgumentError>("[{}] peaks must be f32 {}, not {}", where, Shape{n, k, 3}.str(),
                               peaks.defined() ? peaks.shape().str() : "undefined");
  }
}

// One sample; maps of all keypoints are scanned side by side, as they lie in memory.
void argmax_sample(const float* heatmap, const Maps& maps, float* peaks) {
  std::vector<float> best(maps.k, -std::numeric_limits<float>::infinity());
  std::vector<std::int32_t> place(maps.k, 0);
  const auto num_cells = static_cast<std::int32_t>(maps.h * maps.w);
  for (std::int32_t cell = 0; cell < num_cells; ++cell) {
    const float* value = heatmap + cell * maps.k;
    for (std::int64_t k = 0; k < maps.k; ++k) {
      const bool better = value[k] > best[k];
      best[k] = better ? value[k] : best[k];
      place[k] = better ? cell : place[k];
    }
  }
  for (std::int64_t k = 0; k < maps.k; ++k) {
    const bool found = best[k] > 0.0f;
    peaks[3 * k] = found ? static_cast<float>(place[k] % maps.w) : 0.0f;
    peaks[3 * k + 1] = found ? static_cast<float>(place[k] / maps.w) : 0.0f;
    peaks[3 * k + 2] = best[k];
  }
}

float sign(float value) { return static_cast<float>((value > 0.0f) - (value < 0.0f)); }

void refine_sample(const float* heatmap, const Maps& maps, float* peaks) {
  for (std::int64_t k = 0; k < maps.k; ++k) {
    float* peak = peaks + 3 * k;
    const auto x = static_cast<std::int64_t>(std::floor(peak[0] + 0.5f));
    const auto y = static_cast<std::int64_t>(std::floor(peak[1] + 0.5f));
    if (!(x > 1 && x < maps.w - 1 && y > 1 && y < maps.h - 1)) continue;
    const auto at = [&](std::int64_t yy, std::int64_t xx) {
      return heatmap[(yy * maps.w + xx) * maps.k + k];
    };
    peak[0] += 0.25f * sign(at(y, x + 1) - at(y, x - 1));
    peak[1] += 0.25f * sign(at(y + 1, x) - at(y - 1, x));
  }
}

// Calls body(sample index) for every sample, some at a time on each thread.
template <typename F>
void for_each_sample(std::int64_t n, F&& body) {
  kernels::parallel_for(n, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i);
  });
}

void check_permutation(const char* where, std::span<const int> permutation, std::int64_t k) {
  bool valid = static_cast<std::int64_t>(permutation.size()) == k;
  for (const int p : permutation) valid = valid && p >= 0 && p < k;
  if (!valid) {
    throw_error<ArgumentError>("[{}] the flip permutation of {} entries does not fit {} keypoints",
                               where, permutation.size(), k);
  }
}

// Calls body(index, index in the mirrored maps) for the elements of one sample in order.
template <typename F>
void for_each_unflipped(const Maps& maps, std::span<const int> permutation, bool shift, F&& body) {
  for (std::int64_t y = 0; y < maps.h; ++y) {
    for (std::int64_t x = 0; x < maps.w; ++x) {
      const std::int64_t from = shift && x > 0 ? x - 1 : x;
      const std::int64_t source = (y * maps.w + (maps.w - 1 - from)) * maps.k;
      const std::int64_t target = (y * maps.w + x) * maps.k;
      for (std::int64_t k = 0; k < maps.k; ++k) body(target + k, source + permutation[k]);
    }
  }
}

}  // namespace

Tensor heatmap_argmax(const Tensor& heatmaps) {
  const Maps maps = check_heatmaps("heatmap_argmax", heatmaps);
  Tensor peaks = Tensor::empty({maps.n, maps.k, 3});
  const float* in = heatmaps.data<float>();
  float* out = peaks.data<float>();
  for_each_sample(maps.n, [&](std::int64_t i) {
    argmax_sample(in + i * maps.map_size(), maps, out + i * maps.k * 3);
  });
  return peaks;
}

void refine_quarter_offset(const Tensor& heatmaps, Tensor& peaks) {
  const Maps maps = check_heatmaps("refine_quarter_offset", heatmaps);
  check_peaks("refine_quarter_offset", peaks, maps.n, maps.k);
  const float* in = heatmaps.data<float>();
  float* out = peaks.data<float>();
  for_each_sample(maps.n, [&](std::int64_t i) {
    refine_sample(in + i * maps.map_size(), maps, out + i * maps.k * 3);
  });
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
  Tensor peaks = heatmap_argmax(heatmaps);
  if (options.quarter_offset) refine_quarter_offset(heatmaps, peaks);
  return peaks_to_image(peaks, matrices);
}

Tensor unflip_heatmaps(const Tensor& mirrored, std::span<const int> flip_permutation, bool shift) {
  const Maps maps = check_heatmaps("unflip_heatmaps", mirrored);
  check_permutation("unflip_heatmaps", flip_permutation, maps.k);
  Tensor result = Tensor::empty(mirrored.shape());
  const float* in = mirrored.data<float>();
  float* out = result.data<float>();
  for_each_sample(maps.n, [&](std::int64_t i) {
    const float* source = in + i * maps.map_size();
    float* target = out + i * maps.map_size();
    for_each_unflipped(maps, flip_permutation, shift,
                       [&](std::int64_t to, std::int64_t from) { target[to] = source[from]; });
  });
  return result;
}

Tensor average_flipped(const Tensor& heatmaps, const Tensor& mirrored,
                       std::span<const int> flip_permutation, bool shift) {
  const Maps maps = check_heatmaps("average_flipped", heatmaps);
  check_heatmaps("average_flipped", mirrored);
  check_permutation("average_flipped", flip_permutation, maps.k);
  if (heatmaps.shape() != mirrored.shape()) {
    throw_error<ArgumentError>("[average_flipped] heatmaps {} and mirrored ones {} must agree",
                               heatmaps.shape().str(), mirrored.shape().str());
  }
  Tensor result = Tensor::empty(heatmaps.shape());
  const float* plain = heatmaps.data<float>();
  const float* flipped = mirrored.data<float>();
  float* out = result.data<float>();
  for_each_sample(maps.n, [&](std::int64_t i) {
    const std::int64_t start = i * maps.map_size();
    for_each_unflipped(maps, flip_permutation, shift, [&](std::int64_t to, std::int64_t from) {
      out[start + to] = (plain[start + to] + flipped[start + from]) * 0.5f;
    });
  });
  return result;
}

HeatmapAccuracy heatmap_accuracy(const Tensor& output, const Tensor& target) {
  const Maps maps = check_heatmaps("heatmap_accuracy", output);
  check_heatmaps("heatmap_accuracy", target);
  if (output.shape() != target.shape()) {
    throw_error<ArgumentError>("[heatmap_accuracy] output {} and target {} must agree",
                               output.shape().str(), target.shape().str());
  }
  const Tensor predicted = heatmap_argmax(output), wanted = heatmap_argmax(target);
  const double norm_x = static_cast<double>(maps.h) / 10.0;  // exchanged on purpose, see header
  const double norm_y = static_cast<double>(maps.w) / 10.0;
  HeatmapAccuracy result;
  double sum = 0.0;
  for (std::int64_t k = 0; k < maps.k; ++k) {
    int counted = 0, right = 0;
    for (std::int64_t i = 0; i < maps.n; ++i) {
      const float* p = predicted.data<float>() + (i * maps.k + k) * 3;
      const float* t = wanted.data<float>() + (i * maps.k + k) * 3;
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
