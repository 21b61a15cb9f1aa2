// How the benchmark of a data set scores poses: what is done to them before, its figures and
// tables, and the files that it takes. datasets/registry.h opens one by the format's name.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "datasets/metrics/coco_files.h"
#include "datasets/metrics/pose_results.h"
#include "engine/io/json.h"

namespace akimbo::datasets {

// A table as the published READMEs have them; numbers are printed with three decimals.
struct ScoreTable {
  struct Row {
    std::string name;  // empty: the model's
    std::vector<double> values;
  };
  std::string corner;
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

// The table in Markdown; `model` names rows without a name.
[[nodiscard]] std::string markdown(const ScoreTable& table, const std::string& model);

struct Scores {
  struct Figure {
    std::string name;
    double value = 0;
  };
  std::vector<Figure> figures;  // in the benchmark's order; names are those of metrics.json
  std::vector<ScoreTable> tables;
  Json details = Json::object();  // what else metrics.json tells: keypoint by keypoint

  // The first figure of that name; throws ArgumentError when there is none.
  [[nodiscard]] double figure(const std::string& name) const;
};

struct BenchmarkOptions {
  SuppressionOptions suppression;
  double pck_threshold = 0.2;  // of the box's longer side, for the PCK beside COCO's figures
};

class Benchmark {
 public:
  virtual ~Benchmark() = default;

  // False: a test set, of which poses can be written but not scored.
  [[nodiscard]] virtual bool labelled() const = 0;
  // The labels in COCO's form, for what does not depend on the benchmark (error analysis,
  // pictures).
  [[nodiscard]] virtual const CocoLabels& labels() const = 0;
  // Name of the figure by which models are ranked.
  [[nodiscard]] virtual std::string indicator() const = 0;
  // Poses as decoded, in the order of the set, to those that are reported: rescored, suppressed.
  [[nodiscard]] virtual std::vector<PredictedPose> finish(
      std::vector<PredictedPose> poses) const = 0;
  // Scores finished poses. Throws ArgumentError when there are no labels or the poses do not fit.
  [[nodiscard]] virtual Scores score(std::span<const PredictedPose> poses) const = 0;
  // Scores a file of poses: COCO results, or pred.mat. Throws FileError.
  [[nodiscard]] virtual Scores score_file(const std::filesystem::path& results) const = 0;
  // The poses of such a file, for what goes with labels().
  [[nodiscard]] virtual CocoResults read_results(const std::filesystem::path& results) const = 0;
  // Writes finished poses into a folder as the benchmark takes them; the paths written.
  virtual std::vector<std::filesystem::path> write_results(
      const std::filesystem::path& folder, std::span<const PredictedPose> poses) const = 0;
};

}  // namespace akimbo::datasets
