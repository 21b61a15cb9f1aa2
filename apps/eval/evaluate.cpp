#include "apps/eval/evaluate.h"

#include <fmt/format.h>

#include "apps/common/batch_feed.h"
#include "apps/common/data.h"
#include "apps/common/heatmap_loss.h"
#include "apps/common/progress.h"
#include "apps/common/run_options.h"
#include "apps/common/time_report.h"
#include "apps/train/average.h"
#include "engine/autograd/node.h"
#include "engine/pose/heatmap_decode.h"
#include "inference/top_down.h"

namespace akimbo::apps {

namespace {

struct PassResult {
  std::vector<datasets::PredictedPose> poses;
  Average loss, accuracy;
};

void collect_poses(const datasets::Batch& batch, const Tensor& keypoints,
                   std::vector<datasets::PredictedPose>& poses) {
  const std::int64_t num_values = keypoints.dim(1) * 3;
  const float* values = keypoints.data<float>();
  for (const datasets::SampleMeta& sample : batch.samples) {
    poses.push_back({.image_id = sample.image_id,
                     .keypoints = {values, values + num_values},
                     .region = sample.plan.region,
                     .box_score = sample.score});
    values += num_values;
  }
}

void measure_loss(const DeviceBatch& batch, const Tensor& heatmaps, const LossConfig& loss,
                  PassResult& result) {
  const autograd::NoGrad no_grad;
  const Tensor value = heatmap_loss(loss, heatmaps, batch.target, batch.weight);
  result.loss.add(value.item(), static_cast<double>(batch.input.dim(0)));
  const HeatmapAccuracy accuracy = heatmap_accuracy(heatmaps, batch.target);
  result.accuracy.add(accuracy.average, accuracy.num_keypoints);
}

std::optional<PassResult> predict_all(models::Network& network, Device device, const Config& config,
                                      const datasets::TopDownDataset& dataset,
                                      const std::function<bool()>& stop) {
  PassResult result;
  say_precision(config.eval, device);
  TopDown top_down(network, config, dataset.skeleton(), device);
  BatchFeed feed(dataset, eval_order(config, device), device);
  Progress progress("evaluate", feed.num_batches(), 50);
  for (std::int64_t done = 1; feed.has_next(); ++done) {
    if (stop()) return std::nullopt;
    const DeviceBatch batch = feed.next();
    const Tensor heatmaps = top_down.heatmaps(batch.input);
    feed.prefetch();
    std::vector<CenterScale> regions;
    for (const auto& sample : batch.host.samples) regions.push_back(sample.plan.region);
    collect_poses(batch.host, top_down.keypoints(heatmaps, regions), result.poses);
    measure_loss(batch, heatmaps, config.loss, result);
    progress.update(done);
  }
  return result;
}

}  // namespace

std::optional<Evaluation> evaluate(models::Network& network, Device device, const Config& config,
                                   const datasets::TopDownDataset& dataset,
                                   const datasets::Benchmark& benchmark,
                                   const std::function<bool()>& stop) {
  const TimeReport report;
  std::optional<PassResult> pass = predict_all(network, device, config, dataset, stop);
  if (!pass) return std::nullopt;
  Evaluation evaluation;
  {
    const StageTimer timer(Stage::postprocess);
    evaluation.poses = benchmark.finish(std::move(pass->poses));
    if (benchmark.labelled()) evaluation.scores = benchmark.score(evaluation.poses);
  }
  print_cache_problem(dataset);
  evaluation.time = report.line();
  evaluation.seconds = report.json();
  if (dataset.people().labelled) {
    evaluation.scores.figures.push_back({"loss", pass->loss.mean()});
    evaluation.scores.figures.push_back({"accuracy", pass->accuracy.mean()});
  }
  return evaluation;
}

Json Evaluation::metrics() const {
  Json metrics = Json::object();
  for (const auto& [name, value] : scores.figures) metrics[name] = value;
  return metrics;
}

std::string indicator_name(const Config& config, const datasets::Benchmark& benchmark) {
  if (config.eval.metric == "pck") return fmt::format("PCK@{}", config.eval.pck_threshold);
  return benchmark.indicator();
}

double Evaluation::indicator(const Config& config, const datasets::Benchmark& benchmark) const {
  return scores.figure(indicator_name(config, benchmark));
}

std::unique_ptr<datasets::Benchmark> open_benchmark(const Config& config,
                                                    const Skeleton& skeleton) {
  return datasets::open_benchmark(config.data.format, set_files(config, config.data.val), skeleton,
                                  {.suppression = suppression_options(config.eval),
                                   .pck_threshold = config.eval.pck_threshold});
}

std::string summary_line(const datasets::Scores& scores) {
  std::string line;
  for (const auto& [name, value] : scores.figures) {
    line += fmt::format("{}{} {:.4f}", line.empty() ? "" : "  ", name, value);
  }
  return line;
}

std::string metrics_tables(const datasets::Scores& scores, const std::string& model) {
  std::string text;
  for (const datasets::ScoreTable& table : scores.tables) {
    if (!text.empty()) text += '\n';
    text += datasets::markdown(table, model);
  }
  return text;
}

}  // namespace akimbo::apps
