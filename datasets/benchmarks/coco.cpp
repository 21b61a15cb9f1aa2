#include "datasets/benchmarks/coco.h"

#include "datasets/metrics/crowdpose.h"
#include "datasets/metrics/pck.h"
#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

class CocoBenchmark : public Benchmark {
 public:
  CocoBenchmark(CocoLabels labels, Skeleton skeleton, const BenchmarkOptions& options)
      : labels_(std::move(labels)), skeleton_(std::move(skeleton)), options_(options) {}

  [[nodiscard]] bool labelled() const override { return labels_.labelled; }
  [[nodiscard]] const CocoLabels& labels() const override { return labels_; }
  [[nodiscard]] std::string indicator() const override { return "AP"; }

  [[nodiscard]] std::vector<PredictedPose> finish(std::vector<PredictedPose> poses) const override {
    return rescore_and_suppress(std::move(poses), skeleton_.sigmas, options_.suppression);
  }

  [[nodiscard]] Scores score(std::span<const PredictedPose> poses) const override {
    return score_results(to_coco_results(poses));
  }

  [[nodiscard]] Scores score_file(const std::filesystem::path& results) const override {
    return score_results(read_results(results));
  }

  [[nodiscard]] CocoResults read_results(const std::filesystem::path& results) const override {
    return read_coco_results(results.string(), skeleton_.num_keypoints());
  }

  std::vector<std::filesystem::path> write_results(
      const std::filesystem::path& folder, std::span<const PredictedPose> poses) const override {
    const std::filesystem::path path = folder / "results.json";
    write_coco_results(path.string(), poses);
    return {path};
  }

 protected:
  [[nodiscard]] virtual std::vector<Scores::Figure> figures(const CocoResults& results) const {
    const CocoEvaluation evaluation =
        evaluate_coco_keypoints(labels_, results, {.sigmas = skeleton_.sigmas});
    std::vector<Scores::Figure> figures;
    for (std::size_t i = 0; i < evaluation.figures.size(); ++i) {
      figures.push_back({kCocoFigureNames[i], evaluation.figures[i]});
    }
    return figures;
  }

  [[nodiscard]] const Skeleton& skeleton() const { return skeleton_; }

 private:
  [[nodiscard]] Scores score_results(const CocoResults& results) const {
    if (!labels_.labelled) {
      throw_error<ArgumentError>(
          "[scores] the annotations have no labels; nothing to score against");
    }
    Scores scores{.figures = figures(results), .tables = {}};
    const double threshold = options_.pck_threshold;
    const PckResult pck = evaluate_pck(labels_, results, threshold);
    scores.figures.push_back({fmt::format("PCK@{}", threshold), pck.pck});
    ScoreTable table{.corner = "Arch", .columns = {}, .rows = {{}}};
    for (const Scores::Figure& figure : scores.figures) {
      table.columns.push_back(figure.name);
      table.rows[0].values.push_back(figure.value);
    }
    scores.tables.push_back(std::move(table));
    for (std::size_t k = 0; k < pck.per_keypoint.size(); ++k) {
      scores.details["pck_per_keypoint"][skeleton_.keypoints[k]] = pck.per_keypoint[k];
    }
    return scores;
  }

  CocoLabels labels_;
  Skeleton skeleton_;
  BenchmarkOptions options_;
};

class CrowdPoseBenchmark final : public CocoBenchmark {
 public:
  using CocoBenchmark::CocoBenchmark;

 protected:
  [[nodiscard]] std::vector<Scores::Figure> figures(const CocoResults& results) const override {
    const CrowdPoseEvaluation evaluation =
        evaluate_crowdpose(labels(), results, {.sigmas = skeleton().sigmas});
    std::vector<Scores::Figure> figures;
    for (std::size_t i = 0; i < evaluation.figures.size(); ++i) {
      figures.push_back({kCrowdPoseFigureNames[i], evaluation.figures[i]});
    }
    return figures;
  }
};

CocoLabels labels_of(const SetFiles& files, const Skeleton& skeleton, LabelOptions options) {
  options.accept_unlabelled = true;
  return read_coco_labels(files.annotations.string(), skeleton.num_keypoints(), options);
}

}  // namespace

std::unique_ptr<Benchmark> open_coco_benchmark(const SetFiles& files, const Skeleton& skeleton,
                                               const BenchmarkOptions& options) {
  return std::make_unique<CocoBenchmark>(labels_of(files, skeleton, {}), skeleton, options);
}

std::unique_ptr<Benchmark> open_crowdpose_benchmark(const SetFiles& files, const Skeleton& skeleton,
                                                    const BenchmarkOptions& options) {
  return std::make_unique<CrowdPoseBenchmark>(labels_of(files, skeleton, crowdpose_label_options()),
                                              skeleton, options);
}

}  // namespace akimbo::datasets
