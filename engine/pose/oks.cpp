#include "engine/pose/oks.h"

#include <cmath>
#include <limits>

#include "engine/core/error.h"

namespace akimbo {
namespace {

// e_k = d_k^2 / (2 sigma_k)^2 / (mean area + eps) / 2, in this order of operations.
template <typename T>
double oks_of(std::span<const T> keypoints, double area, std::span<const T> candidate,
              double candidate_area, std::span<const double> sigmas, const OksOptions& options) {
  const std::size_t num_keypoints = sigmas.size();
  if (keypoints.size() != 3 * num_keypoints || candidate.size() != 3 * num_keypoints) {
    throw_error<ArgumentError>("[oks] poses of {} and {} numbers, but {} sigmas need {} each",
                               keypoints.size(), candidate.size(), num_keypoints,
                               3 * num_keypoints);
  }
  const double scale = (area + candidate_area) / 2.0 + std::numeric_limits<double>::epsilon();
  double sum = 0.0;
  int count = 0;
  for (std::size_t k = 0; k < num_keypoints; ++k) {
    if (options.visibility_threshold && !(candidate[3 * k + 2] > *options.visibility_threshold)) {
      continue;
    }
    const T dx = candidate[3 * k] - keypoints[3 * k];
    const T dy = candidate[3 * k + 1] - keypoints[3 * k + 1];
    const T squared = dx * dx + dy * dy;
    const double variance = (2.0 * sigmas[k]) * (2.0 * sigmas[k]);
    sum += std::exp(-(static_cast<double>(squared) / variance / scale / 2.0));
    ++count;
  }
  return count == 0 ? 0.0 : sum / count;
}

}  // namespace

double oks(std::span<const float> keypoints, double area, std::span<const float> candidate,
           double candidate_area, std::span<const double> sigmas, const OksOptions& options) {
  return oks_of<float>(keypoints, area, candidate, candidate_area, sigmas, options);
}

double oks(std::span<const double> keypoints, double area, std::span<const double> candidate,
           double candidate_area, std::span<const double> sigmas, const OksOptions& options) {
  return oks_of<double>(keypoints, area, candidate, candidate_area, sigmas, options);
}

}  // namespace akimbo
