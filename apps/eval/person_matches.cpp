#include "apps/eval/person_matches.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "engine/core/error.h"

namespace akimbo::apps {

namespace {

struct Pair {
  double oks = 0;
  int person = 0, pose = 0;
};

// The mean of exp(-d^2 / (2 area (2 sigma)^2)) over labelled keypoints; 0 without any.
double oks_of(const double* label, const double* pose, double area,
              std::span<const double> sigmas) {
  double sum = 0;
  int count = 0;
  for (std::size_t k = 0; k < sigmas.size(); ++k) {
    if (!(label[3 * k + 2] > 0)) continue;
    const double dx = pose[3 * k] - label[3 * k], dy = pose[3 * k + 1] - label[3 * k + 1];
    const double spread = 2 * sigmas[k];
    const double floor = std::numeric_limits<double>::epsilon();  // the evaluator's
    sum += std::exp(-(dx * dx + dy * dy) / (spread * spread) / (area + floor) / 2);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

bool has_labels(const datasets::CocoLabels& labels, std::size_t person) {
  const auto K = static_cast<std::size_t>(labels.num_keypoints);
  const double* label = labels.keypoints.data() + 3 * K * person;
  for (std::size_t k = 0; k < K; ++k) {
    if (label[3 * k + 2] > 0) return !labels.people[person].is_crowd;
  }
  return false;
}

}  // namespace

std::vector<PersonMatch> match_people(const datasets::CocoLabels& labels,
                                      const datasets::CocoResults& results,
                                      std::span<const double> sigmas) {
  const auto K = static_cast<std::size_t>(labels.num_keypoints);
  if (sigmas.size() != K ||
      (!results.poses.empty() && results.num_keypoints != labels.num_keypoints)) {
    throw_error<ArgumentError>("[match_people] {} sigmas, labels of {} and results of {} keypoints",
                               sigmas.size(), labels.num_keypoints, results.num_keypoints);
  }
  std::unordered_map<std::int64_t, std::vector<int>> poses_of_image;
  for (std::size_t i = 0; i < results.poses.size(); ++i) {
    poses_of_image[results.poses[i].image_id].push_back(static_cast<int>(i));
  }
  std::vector<PersonMatch> matches;
  std::vector<Pair> pairs;
  for (std::size_t p = 0; p < labels.people.size(); ++p) {
    if (!has_labels(labels, p)) continue;
    for (const int pose : poses_of_image[labels.people[p].image_id]) {
      const double oks = oks_of(labels.keypoints.data() + 3 * K * p,
                                results.keypoints.data() + 3 * K * static_cast<std::size_t>(pose),
                                labels.people[p].area, sigmas);
      if (oks > 1e-6) pairs.push_back({oks, static_cast<int>(matches.size()), pose});
    }
    matches.push_back({.person = static_cast<int>(p)});
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.oks > b.oks; });
  std::vector<bool> is_taken(results.poses.size(), false);
  for (const Pair& pair : pairs) {
    PersonMatch& match = matches[static_cast<std::size_t>(pair.person)];
    const auto pose = static_cast<std::size_t>(pair.pose);
    if (match.pose >= 0 || is_taken[pose]) continue;
    match.pose = pair.pose;
    match.oks = pair.oks;
    is_taken[pose] = true;
  }
  return matches;
}

}  // namespace akimbo::apps
