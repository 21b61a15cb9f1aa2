#include "datasets/metrics/error_analysis.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "datasets/metrics/coco_keypoints.h"
#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

struct ImageMembers {
  std::vector<int> people;  // with labels, crowds left out
  std::vector<int> poses;   // best first
};

class Analysis {
 public:
  Analysis(const CocoLabels& labels, const CocoResults& results, const Skeleton& skeleton,
           const ErrorAnalysisOptions& options)
      : labels_(labels),
        results_(results),
        skeleton_(skeleton),
        mirror_(skeleton.flip_permutation()),
        options_(options),
        num_keypoints_(static_cast<std::size_t>(skeleton.num_keypoints())) {}

  ErrorAnalysis run() {
    found_.per_keypoint.resize(num_keypoints_);
    found_.kind.assign(results_.poses.size() * num_keypoints_, -1);
    found_.person_of.assign(results_.poses.size(), -1);
    collect();
    for (const std::int64_t id : labels_.image_ids) {
      const ImageMembers& image = images_[id];
      match(image);
      for (const int pose : image.poses) judge(pose, image);
    }
    found_.ap = ap_of(results_);
    for (const KeypointError kind : {KeypointError::jitter, KeypointError::inversion,
                                     KeypointError::swap, KeypointError::miss}) {
      found_.ap_lost[static_cast<std::size_t>(kind)] = ap_of(corrected(kind)) - found_.ap;
    }
    found_.ap_lost_background = ap_of(without_background()) - found_.ap;
    found_.ap_lost_missed = ap_of(with_missed()) - found_.ap;
    return std::move(found_);
  }

 private:
  [[nodiscard]] const double* label(int person, std::size_t k) const {
    return &labels_.keypoints[3 * (static_cast<std::size_t>(person) * num_keypoints_ + k)];
  }
  [[nodiscard]] const double* keypoint(int pose, std::size_t k) const {
    return &results_.keypoints[3 * (static_cast<std::size_t>(pose) * num_keypoints_ + k)];
  }
  [[nodiscard]] bool has_labels(int person) const {
    for (std::size_t k = 0; k < num_keypoints_; ++k) {
      if (label(person, k)[2] > 0) return true;
    }
    return false;
  }

  // Of predicted keypoint k to labelled keypoint `to`, by the sigma of k and the area of `by`, the
  // person whom the pose stands for; -1 where nothing is labelled.
  [[nodiscard]] double similarity(int pose, std::size_t k, int person, std::size_t to,
                                  int by) const {
    const double* wanted = label(person, to);
    if (!(wanted[2] > 0)) return -1;
    const double* found = keypoint(pose, k);
    const double dx = found[0] - wanted[0], dy = found[1] - wanted[1];
    const double spread = 2 * skeleton_.sigmas[k];
    const double area = labels_.people[static_cast<std::size_t>(by)].area + kEps;
    return std::exp(-(dx * dx + dy * dy) / (spread * spread) / area / 2);
  }

  [[nodiscard]] double oks(int pose, int person) const {
    double sum = 0;
    int count = 0;
    for (std::size_t k = 0; k < num_keypoints_; ++k) {
      const double one = similarity(pose, k, person, k, person);
      if (one < 0) continue;
      sum += one;
      ++count;
    }
    return count > 0 ? sum / count : 0;
  }

  void collect() {
    for (std::size_t i = 0; i < labels_.people.size(); ++i) {
      const auto person = static_cast<int>(i);
      if (labels_.people[i].is_crowd || !has_labels(person)) continue;
      images_[labels_.people[i].image_id].people.push_back(person);
    }
    for (std::size_t i = 0; i < results_.poses.size(); ++i) {
      images_[results_.poses[i].image_id].poses.push_back(static_cast<int>(i));
    }
    for (auto& [id, image] : images_) {
      std::stable_sort(image.poses.begin(), image.poses.end(), [&](int a, int b) {
        return results_.poses[static_cast<std::size_t>(a)].score >
               results_.poses[static_cast<std::size_t>(b)].score;
      });
      const auto limit = static_cast<std::size_t>(options_.max_detections);
      if (image.poses.size() > limit) image.poses.resize(limit);
    }
  }

  void match(const ImageMembers& image) {
    std::vector<char> taken(image.people.size(), 0);
    for (const int pose : image.poses) {
      std::ptrdiff_t best = -1;
      double best_oks = options_.match_oks;
      for (std::size_t p = 0; p < image.people.size(); ++p) {
        const double value = taken[p] ? -1 : oks(pose, image.people[p]);
        if (value < best_oks) continue;
        best = static_cast<std::ptrdiff_t>(p);
        best_oks = value;
      }
      if (best < 0) {
        ++found_.num_background_poses;
        continue;
      }
      const auto p = static_cast<std::size_t>(best);
      taken[p] = 1;
      found_.person_of[static_cast<std::size_t>(pose)] = image.people[p];
      ++found_.num_matched;
    }
    for (std::size_t p = 0; p < taken.size(); ++p) {
      if (!taken[p]) missed_.push_back(image.people[p]);
    }
    found_.num_missed_people = static_cast<int>(missed_.size());
  }

  void judge(int pose, const ImageMembers& image) {
    const int person = found_.person_of[static_cast<std::size_t>(pose)];
    if (person < 0) return;
    for (std::size_t k = 0; k < num_keypoints_; ++k) {
      if (!(label(person, k)[2] > 0)) continue;
      const auto kind = static_cast<std::size_t>(kind_of(pose, k, person, image));
      ++found_.counts[kind];
      ++found_.per_keypoint[k][kind];
      found_.kind[static_cast<std::size_t>(pose) * num_keypoints_ + k] =
          static_cast<signed char>(kind);
    }
  }

  [[nodiscard]] KeypointError kind_of(int pose, std::size_t k, int person,
                                      const ImageMembers& image) const {
    const auto mirror = static_cast<std::size_t>(mirror_[k]);
    const double own = similarity(pose, k, person, k, person);
    const double inverted = mirror == k ? -1 : similarity(pose, k, person, mirror, person);
    double other = -1;
    for (const int neighbour : image.people) {
      if (neighbour == person) continue;
      other = std::max({other, similarity(pose, k, neighbour, k, person),
                        similarity(pose, k, neighbour, mirror, person)});
    }
    const double best = std::max({own, inverted, other});
    if (best < options_.near) return KeypointError::miss;
    if (own == best) return own < options_.good ? KeypointError::jitter : KeypointError::good;
    return inverted == best ? KeypointError::inversion : KeypointError::swap;
  }

  [[nodiscard]] double ap_of(const CocoResults& results) const {
    return evaluate_coco_keypoints(
               labels_, results,
               {.sigmas = skeleton_.sigmas, .max_detections = options_.max_detections})
        .ap();
  }

  [[nodiscard]] CocoResults corrected(KeypointError kind) const {
    CocoResults results = results_;
    for (std::size_t i = 0; i < found_.kind.size(); ++i) {
      if (found_.kind[i] != static_cast<signed char>(kind)) continue;
      const int person = found_.person_of[i / num_keypoints_];
      std::copy_n(label(person, i % num_keypoints_), 2, &results.keypoints[3 * i]);
    }
    return results;
  }

  [[nodiscard]] CocoResults without_background() const {
    CocoResults results;
    results.num_keypoints = results_.num_keypoints;
    for (std::size_t i = 0; i < results_.poses.size(); ++i) {
      if (found_.person_of[i] < 0) continue;
      results.poses.push_back(results_.poses[i]);
      const double* from = keypoint(static_cast<int>(i), 0);
      results.keypoints.insert(results.keypoints.end(), from, from + 3 * num_keypoints_);
    }
    return results;
  }

  [[nodiscard]] CocoResults with_missed() const {
    CocoResults results = results_;
    results.num_keypoints = labels_.num_keypoints;
    double lowest = 0;
    for (const CocoResults::Pose& pose : results_.poses) lowest = std::min(lowest, pose.score);
    for (const int index : missed_) {
      const CocoLabels::Person& person = labels_.people[static_cast<std::size_t>(index)];
      results.poses.push_back({.image_id = person.image_id,
                               .category_id = person.category_id,
                               .score = lowest - 1,
                               .area = person.area});
      results.keypoints.insert(results.keypoints.end(), label(index, 0),
                               label(index, 0) + 3 * num_keypoints_);
    }
    return results;
  }

  const CocoLabels& labels_;
  const CocoResults& results_;
  const Skeleton& skeleton_;
  std::vector<int> mirror_;
  const ErrorAnalysisOptions& options_;
  std::size_t num_keypoints_;
  std::unordered_map<std::int64_t, ImageMembers> images_;
  std::vector<int> missed_;
  ErrorAnalysis found_;
};

Json counts_json(const ErrorAnalysis::Counts& counts) {
  Json json;
  for (std::size_t i = 0; i < counts.size(); ++i) json[kKeypointErrorNames[i]] = counts[i];
  return json;
}

}  // namespace

ErrorAnalysis analyze_errors(const CocoLabels& labels, const CocoResults& results,
                             const Skeleton& skeleton, const ErrorAnalysisOptions& options) {
  const int k = skeleton.num_keypoints();
  if (labels.num_keypoints != k || (!results.poses.empty() && results.num_keypoints != k)) {
    throw_error<ArgumentError>(
        "[error analysis] labels of {} keypoints, results of {}, skeleton {} of {}; all must be of "
        "one skeleton",
        labels.num_keypoints, results.num_keypoints, skeleton.name, k);
  }
  return Analysis(labels, results, skeleton, options).run();
}

Json error_analysis_json(const ErrorAnalysis& analysis, const Skeleton& skeleton) {
  Json lost = {{"background_poses", analysis.ap_lost_background},
               {"missed_people", analysis.ap_lost_missed}};
  for (std::size_t i = 1; i < analysis.ap_lost.size(); ++i) {
    lost[kKeypointErrorNames[i]] = analysis.ap_lost[i];
  }
  Json keypoints = {{"all", counts_json(analysis.counts)}};
  for (std::size_t k = 0; k < analysis.per_keypoint.size(); ++k) {
    keypoints[skeleton.keypoints[k]] = counts_json(analysis.per_keypoint[k]);
  }
  return {{"ap", analysis.ap},
          {"ap_lost", lost},
          {"matched_poses", analysis.num_matched},
          {"background_poses", analysis.num_background_poses},
          {"missed_people", analysis.num_missed_people},
          {"keypoints", keypoints}};
}

}  // namespace akimbo::datasets
