// A network's score on a data set: its benchmark's figures, loss and logged accuracy.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "datasets/benchmark.h"
#include "datasets/top_down.h"
#include "models/network.h"

namespace akimbo::apps {

struct Evaluation {
  datasets::Scores scores;                     // without figures where the set has no labels
  std::vector<datasets::PredictedPose> poses;  // as reported: rescored, suppressed
  std::string time;                            // where it went: TimeReport's line and JSON
  Json seconds;

  // The figures by name, as logs and gates take them.
  [[nodiscard]] Json metrics() const;
  // What decides which checkpoint is best.
  [[nodiscard]] double indicator(const Config& config, const datasets::Benchmark& benchmark) const;
};

// The name of that figure: eval.metric, or what the benchmark ranks by.
[[nodiscard]] std::string indicator_name(const Config& config,
                                         const datasets::Benchmark& benchmark);

// Predicts every person of the set, then scores. The network lies on the device, in evaluation
// mode. Nothing when `stop` became true on the way. Loss and accuracy are among the figures where
// the set's joints are labels.
[[nodiscard]] std::optional<Evaluation> evaluate(models::Network& network, Device device,
                                                 const Config& config,
                                                 const datasets::TopDownDataset& dataset,
                                                 const datasets::Benchmark& benchmark,
                                                 const std::function<bool()>& stop);

// What the poses of the config's validation set are scored by.
[[nodiscard]] std::unique_ptr<datasets::Benchmark> open_benchmark(const Config& config,
                                                                  const Skeleton& skeleton);

// "AP 0.5120  AP .75 0.4..." for the log, and the Markdown tables that the references print.
[[nodiscard]] std::string summary_line(const datasets::Scores& scores);
[[nodiscard]] std::string metrics_tables(const datasets::Scores& scores, const std::string& model);

}  // namespace akimbo::apps
