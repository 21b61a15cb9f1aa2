#include "datasets/benchmarks/mpii.h"

#include "datasets/metrics/pckh.h"
#include "datasets/readers/mpii_format.h"
#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

constexpr const char* kMean = "Mean";

CocoLabels labels_of(const PersonSet& set) {
  CocoLabels labels;
  labels.num_keypoints = set.num_keypoints;
  labels.labelled = set.labelled;
  labels.category_ids = {1};
  for (const ImageEntry& image : set.images) labels.image_ids.push_back(image.id);
  for (const PersonRecord& person : set.people) {
    const BoxXywh& box = person.box_image;
    const std::size_t begin = labels.keypoints.size();
    for (const Joint& joint : person.joints) {
      const bool visible = joint.visible > 0;
      labels.keypoints.insert(
          labels.keypoints.end(),
          {visible ? joint.image.x : 0, visible ? joint.image.y : 0, visible ? 2.0 : 0.0});
    }
    bool any = false;
    for (std::size_t i = begin + 2; i < labels.keypoints.size(); i += 3) {
      any = any || labels.keypoints[i] > 0;
    }
    labels.people.push_back(
        {.id = person.annotation_id + 1,  // an id of 0 counts as no match
         .image_id = set.images[static_cast<std::size_t>(person.image_index)].id,
         .area = person.area,
         .box_xywh = {box.x, box.y, box.width, box.height},
         .has_keypoints = any});
  }
  return labels;
}

std::vector<double> positions_of(std::span<const PredictedPose> poses) {
  std::vector<double> positions;
  for (const PredictedPose& pose : poses) {
    for (std::size_t i = 0; i < pose.keypoints.size(); i += 3) {
      positions.push_back(pose.keypoints[i]);
      positions.push_back(pose.keypoints[i + 1]);
    }
  }
  return positions;
}

ScoreTable published_table(const PckhResult& result) {
  ScoreTable table{.corner = "Arch",
                   .columns = {PckhResult::kColumns.begin(), PckhResult::kColumns.end()},
                   .rows = {{}}};
  const auto half = result.row(-1);
  table.rows[0].values.assign(half.begin(), half.end());
  table.columns.emplace_back("Mean@0.1");
  table.rows[0].values.push_back(result.row(PckhResult::kPublishedTenth).back());
  return table;
}

ScoreTable table_by_share(const PckhResult& result) {
  ScoreTable table{.corner = "PCKh",
                   .columns = {PckhResult::kColumns.begin(), PckhResult::kColumns.end()},
                   .rows = {}};
  const auto add = [&](const char* name, int share) {
    const auto row = result.row(share);
    table.rows.push_back({name, {row.begin(), row.end()}});
  };
  add("@0.5", -1);
  add("@0.1 as published (0.11 of the head)", PckhResult::kPublishedTenth);
  add("@0.1 (0.10 of the head)", PckhResult::kTenth);
  return table;
}

class MpiiBenchmark final : public Benchmark {
 public:
  MpiiBenchmark(const PersonSet& set, const SetFiles& files, Skeleton skeleton)
      : labels_(labels_of(set)), skeleton_(std::move(skeleton)) {
    from_file_ = !files.ground_truth.empty();
    if (from_file_) {
      truth_ = read_mpii_ground_truth(files.ground_truth);
      if (truth_.num_people != static_cast<int>(set.people.size())) {
        throw_error<FileError>("[mpii] {} has {} people, {} has {}; they must be of one set",
                               truth_.where, truth_.num_people, set.where, set.people.size());
      }
    } else if (set.labelled) {
      truth_ = mpii_ground_truth_of(set);
    }
  }

  [[nodiscard]] bool labelled() const override { return truth_.num_people > 0; }
  [[nodiscard]] const CocoLabels& labels() const override { return labels_; }
  [[nodiscard]] std::string indicator() const override { return kMean; }

  [[nodiscard]] std::vector<PredictedPose> finish(std::vector<PredictedPose> poses) const override {
    for (PredictedPose& pose : poses) pose.score = pose_score(pose.keypoints, pose.box_score, 0);
    return poses;
  }

  [[nodiscard]] Scores score(std::span<const PredictedPose> poses) const override {
    return score_positions(positions_of(poses));
  }

  [[nodiscard]] Scores score_file(const std::filesystem::path& results) const override {
    return score_positions(positions_in(results));
  }

  [[nodiscard]] CocoResults read_results(const std::filesystem::path& results) const override {
    const std::vector<double> positions = positions_in(results);
    CocoResults poses;
    for (std::size_t n = 0; n < labels_.people.size(); ++n) {
      std::vector<float> keypoints;
      for (std::size_t j = 0; j < MpiiGroundTruth::kJoints; ++j) {
        const double* at = &positions[2 * (n * MpiiGroundTruth::kJoints + j)];
        keypoints.insert(keypoints.end(),
                         {static_cast<float>(at[0]), static_cast<float>(at[1]), 1.0f});
      }
      poses.add(labels_.people[n].image_id, 1, keypoints.data(), MpiiGroundTruth::kJoints);
    }
    return poses;
  }

  std::vector<std::filesystem::path> write_results(
      const std::filesystem::path& folder, std::span<const PredictedPose> poses) const override {
    const std::filesystem::path json = folder / "results.json", mat = folder / "pred.mat";
    write_coco_results(json.string(), poses);
    write_mpii_predictions(mat, positions_of(poses));
    return {json, mat};
  }

 private:
  [[nodiscard]] std::vector<double> positions_in(const std::filesystem::path& results) const {
    std::vector<double> positions = read_mpii_predictions(results);
    const std::size_t num_people = positions.size() / (2 * MpiiGroundTruth::kJoints);
    if (num_people != labels_.people.size()) {
      throw_error<FileError>("[mpii] {} has poses of {} people, the annotations have {}",
                             results.string(), num_people, labels_.people.size());
    }
    return positions;
  }

  [[nodiscard]] Scores score_positions(const std::vector<double>& positions) const {
    if (!labelled()) {
      throw_error<ArgumentError>(
          "[scores] the annotations have no joints; nothing to score against");
    }
    const PckhResult result = evaluate_pckh(truth_, positions);
    Scores scores{.figures = {}, .tables = {published_table(result), table_by_share(result)}};
    const auto half = result.row(-1);
    for (std::size_t c = 0; c < half.size(); ++c) {
      scores.figures.push_back({PckhResult::kColumns[c], half[c]});
    }
    scores.figures.push_back({"Mean@0.1", result.row(PckhResult::kPublishedTenth).back()});
    scores.figures.push_back({"Mean@0.10", result.row(PckhResult::kTenth).back()});
    scores.details = details_of(result);
    return scores;
  }

  [[nodiscard]] Json details_of(const PckhResult& result) const {
    Json details = {{"head_sizes", from_file_ ? "0.6 of the diagonal of the head's box"
                                              : "from upper neck to head top"},
                    {"about",
                     "Mean@0.1 is at 0.11 of the head's size, as the published code has it; "
                     "Mean@0.10 is at 0.10"}};
    for (std::size_t j = 0; j < skeleton_.keypoints.size(); ++j) {
      details["pckh_per_keypoint"][skeleton_.keypoints[j]] = {
          {"@0.5", result.at_half[j]},
          {"@0.11", result.at_share[j][PckhResult::kPublishedTenth]},
          {"@0.10", result.at_share[j][PckhResult::kTenth]},
          {"labelled", result.num_labelled[j]},
          {"curve", result.at_share[j]}};
    }
    return details;
  }

  CocoLabels labels_;
  Skeleton skeleton_;
  MpiiGroundTruth truth_;
  bool from_file_ = false;
};

}  // namespace

std::unique_ptr<Benchmark> open_mpii_benchmark(const SetFiles& files, const Skeleton& skeleton) {
  if (skeleton.num_keypoints() != MpiiGroundTruth::kJoints) {
    throw_error<ConfigError>(
        "[mpii] the format mpii is scored by PCKh of 16 joints, but skeleton {} has {}; set "
        "skeleton to \"mpii\"",
        skeleton.name, skeleton.num_keypoints());
  }
  const PersonSet set =
      read_mpii_people(files.annotations, {.num_keypoints = skeleton.num_keypoints()});
  return std::make_unique<MpiiBenchmark>(set, files, skeleton);
}

}  // namespace akimbo::datasets
