#include "datasets/metrics/pose_results.h"

#include <cmath>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/pose/nms.h"
#include "kernels/common/parallel.h"

namespace akimbo::datasets {
namespace {

// Indices of the poses of each image, images in the order of their first pose.
std::vector<std::vector<int>> by_image(std::span<const PredictedPose> poses) {
  std::unordered_map<std::int64_t, std::size_t> group_of;
  std::vector<std::vector<int>> groups;
  for (std::size_t i = 0; i < poses.size(); ++i) {
    const auto [it, is_new] = group_of.emplace(poses[i].image_id, groups.size());
    if (is_new) groups.emplace_back();
    groups[it->second].push_back(static_cast<int>(i));
  }
  return groups;
}

// Flat arrays of one image's poses, as suppression takes them.
struct Candidates {
  std::vector<float> keypoints;
  std::vector<double> areas, scores;
};

Candidates gather(std::span<const PredictedPose> poses, const std::vector<int>& group) {
  Candidates candidates;
  for (const int i : group) {
    const PredictedPose& pose = poses[i];
    candidates.keypoints.insert(candidates.keypoints.end(), pose.keypoints.begin(),
                                pose.keypoints.end());
    candidates.areas.push_back(region_area(pose.region));
    candidates.scores.push_back(pose.score);
  }
  return candidates;
}

// Replaces a group by the poses that stay, best first.
void suppress(std::vector<PredictedPose>& poses, std::vector<int>& group,
              std::span<const double> sigmas, const SuppressionOptions& options) {
  const Candidates candidates = gather(poses, group);
  const PoseCandidates view{candidates.keypoints, candidates.areas, candidates.scores, sigmas};
  std::vector<int> kept;
  if (options.soft) {
    SoftSuppression soft = soft_oks_nms(view, {.threshold = options.oks_threshold});
    for (std::size_t i = 0; options.keep_decayed && i < soft.picks.size(); ++i) {
      poses[group[soft.picks[i]]].score = soft.scores[i];
    }
    kept = std::move(soft.picks);
  } else {
    kept = oks_nms(view, options.oks_threshold);
  }
  for (int& i : kept) i = group[i];
  group = std::move(kept);
}

void check_keypoints(std::span<const PredictedPose> poses, std::size_t num_keypoints) {
  for (const PredictedPose& pose : poses) {
    if (pose.keypoints.size() == 3 * num_keypoints) continue;
    throw_error<ArgumentError>("[results] a pose of {} keypoint numbers, but {} keypoints need {}",
                               pose.keypoints.size(), num_keypoints, 3 * num_keypoints);
  }
}

// Writes the text by hand: a results file has millions of numbers.
class Writer {
 public:
  explicit Writer(ResultsLayout layout) : indented_(layout == ResultsLayout::indented) {}

  std::string write(std::span<const PredictedPose> poses) {
    text_ = "[";
    for (std::size_t i = 0; i < poses.size(); ++i) {
      text_ += i == 0 ? "\n" : ",\n";
      write_pose(poses[i]);
    }
    text_ += poses.empty() ? "]\n" : "\n]\n";
    if (indented_) text_.pop_back();
    return std::move(text_);
  }

 private:
  void write_pose(const PredictedPose& pose) {
    image_id_ = pose.image_id;
    text_ += indented_ ? "    {\n        " : " {";
    text_ += "\"category_id\": 1";
    list("center", std::array{pose.region.center.x, pose.region.center.y});
    key("image_id");
    fmt::format_to(std::back_inserter(text_), "{}", pose.image_id);
    list("keypoints", pose.keypoints);
    list("scale", std::array{pose.region.scale_x, pose.region.scale_y});
    key("score");
    number(pose.score);
    text_ += indented_ ? "\n    }" : "}";
  }

  void key(const char* name) {
    text_ += indented_ ? ",\n        \"" : ", \"";
    text_ += name;
    text_ += "\": ";
  }

  template <typename List>
  void list(const char* name, const List& values) {
    key(name);
    text_ += '[';
    bool first = true;
    for (const double value : values) {
      if (!first) text_ += indented_ ? "," : ", ";
      if (indented_) text_ += "\n            ";
      number(value);
      first = false;
    }
    text_ += indented_ ? "\n        ]" : "]";
  }

  // The shortest decimal that reads back as the same double, with ".0" where it is whole.
  void number(double value) {
    if (!std::isfinite(value)) {
      throw_error<NumericError>(
          "[results] a pose of image {} holds {}; the network's output is not usable", image_id_,
          value);
    }
    const std::size_t start = text_.size();
    fmt::format_to(std::back_inserter(text_), "{}", value);
    if (text_.find_first_of(".e", start) == std::string::npos) text_ += ".0";
  }

  bool indented_;
  std::int64_t image_id_ = 0;
  std::string text_;
};

}  // namespace

double pose_score(std::span<const float> keypoints, double box_score, double visibility_threshold) {
  double sum = 0.0;
  int count = 0;
  for (std::size_t i = 2; i < keypoints.size(); i += 3) {
    const double score = keypoints[i];
    if (!(score > visibility_threshold)) continue;
    sum += score;
    ++count;
  }
  return count == 0 ? 0.0 : sum / count * box_score;
}

double region_area(const CenterScale& region) {
  if (!region.single) return region.scale_x * kPixelStd * (region.scale_y * kPixelStd);
  const float width = static_cast<float>(region.scale_x) * static_cast<float>(kPixelStd);
  const float height = static_cast<float>(region.scale_y) * static_cast<float>(kPixelStd);
  return static_cast<double>(width * height);
}

std::vector<PredictedPose> rescore_and_suppress(std::vector<PredictedPose> poses,
                                                std::span<const double> sigmas,
                                                const SuppressionOptions& options) {
  check_keypoints(poses, sigmas.size());
  for (PredictedPose& pose : poses) {
    pose.score = pose_score(pose.keypoints, pose.box_score, options.visibility_threshold);
  }
  std::vector<std::vector<int>> groups = by_image(poses);
  const auto num_groups = static_cast<std::int64_t>(groups.size());
  kernels::parallel_for(num_groups, 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) suppress(poses, groups[g], sigmas, options);
  });
  std::vector<PredictedPose> kept;
  for (const std::vector<int>& group : groups) {
    for (const int i : group) kept.push_back(std::move(poses[i]));
  }
  return kept;
}

CocoResults to_coco_results(std::span<const PredictedPose> poses) {
  CocoResults results;
  for (const PredictedPose& pose : poses) {
    results.add(pose.image_id, pose.score, pose.keypoints.data(),
                static_cast<int>(pose.keypoints.size() / 3));
  }
  return results;
}

std::string coco_results_json(std::span<const PredictedPose> poses, ResultsLayout layout) {
  return Writer(layout).write(poses);
}

void write_coco_results(const std::string& path, std::span<const PredictedPose> poses,
                        ResultsLayout layout) {
  io::write_file_atomic(path, coco_results_json(poses, layout));
}

}  // namespace akimbo::datasets
