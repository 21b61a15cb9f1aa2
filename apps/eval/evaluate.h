// A network's score on a data set: COCO's figures, PCK, loss and logged accuracy.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/config/config.h"
#include "datasets/metrics/coco_keypoints.h"
#include "datasets/metrics/pose_results.h"
#include "datasets/top_down.h"
#include "models/network.h"

namespace akimbo::apps {

struct Evaluation {
  std::array<double, 10> figures{};  // datasets::kCocoFigureNames
  double pck = 0;                    // share of labelled keypoints placed right
  Json metrics;                      // all of them by name, as metrics.json holds them
  std::vector<datasets::PredictedPose> poses;

  // What decides which checkpoint is best.
  [[nodiscard]] double indicator(const EvalConfig& config) const {
    return config.metric == "pck" ? pck : figures[0];
  }
};

// Predicts every person of the set, then scores. The network lies on the device, in evaluation
// mode. Nothing when `stop` became true on the way. `annotated_boxes`: loss and accuracy mean
// something.
[[nodiscard]] std::optional<Evaluation> evaluate(models::Network& network, Device device,
                                                 const Config& config,
                                                 const datasets::TopDownDataset& dataset,
                                                 const datasets::CocoLabels& labels,
                                                 bool annotated_boxes,
                                                 const std::function<bool()>& stop);

// Scores poses alone, as `eval --results` does.
[[nodiscard]] Evaluation score_results(const datasets::CocoLabels& labels,
                                       const datasets::CocoResults& results, const Config& config,
                                       const Skeleton& skeleton);

// The labels that the poses of the config's validation set are scored against.
[[nodiscard]] datasets::CocoLabels read_labels(const Config& config, const Skeleton& skeleton);

// "AP 0.5120  AP .75 0.4..." for the log, and the Markdown table that the references print.
[[nodiscard]] std::string summary_line(const Evaluation& evaluation);
[[nodiscard]] std::string metrics_table(const Evaluation& evaluation, const std::string& name);

}  // namespace akimbo::apps
