#include "apps/eval/evaluate.h"

#include <fmt/format.h>

#include "apps/common/batch_feed.h"
#include "apps/common/data.h"
#include "apps/common/network.h"
#include "apps/common/progress.h"
#include "apps/predict/top_down.h"
#include "apps/train/average.h"
#include "datasets/metrics/pck.h"
#include "engine/autograd/node.h"
#include "engine/ops/loss.h"
#include "engine/pose/heatmap_decode.h"

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
  const Tensor value =
      ops::joints_mse(heatmaps, batch.target, loss.use_target_weight ? batch.weight : Tensor());
  result.loss.add(value.item(), static_cast<double>(batch.input.dim(0)));
  const HeatmapAccuracy accuracy = heatmap_accuracy(heatmaps, batch.target);
  result.accuracy.add(accuracy.average, accuracy.num_keypoints);
}

std::optional<PassResult> predict_all(models::Network& network, Device device, const Config& config,
                                      const datasets::TopDownDataset& dataset,
                                      const std::function<bool()>& stop) {
  PassResult result;
  TopDown top_down(network, config, dataset.skeleton(), device);
  BatchFeed feed(dataset, eval_order(config), device);
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
                                   const datasets::CocoLabels& labels, bool annotated_boxes,
                                   const std::function<bool()>& stop) {
  std::optional<PassResult> pass = predict_all(network, device, config, dataset, stop);
  if (!pass) return std::nullopt;
  const Skeleton& skeleton = dataset.skeleton();
  std::vector<datasets::PredictedPose> poses = datasets::rescore_and_suppress(
      std::move(pass->poses), skeleton.sigmas, suppression_options(config.eval));
  Evaluation evaluation = score_results(labels, datasets::to_coco_results(poses), config, skeleton);
  evaluation.poses = std::move(poses);
  if (annotated_boxes) {
    evaluation.metrics["loss"] = pass->loss.mean();
    evaluation.metrics["accuracy"] = pass->accuracy.mean();
  }
  return evaluation;
}

Evaluation score_results(const datasets::CocoLabels& labels, const datasets::CocoResults& results,
                         const Config& config, const Skeleton& skeleton) {
  Evaluation evaluation;
  evaluation.figures =
      datasets::evaluate_coco_keypoints(labels, results, {.sigmas = skeleton.sigmas}).figures;
  for (std::size_t i = 0; i < evaluation.figures.size(); ++i) {
    evaluation.metrics[datasets::kCocoFigureNames[i]] = evaluation.figures[i];
  }
  const double threshold = config.eval.pck_threshold;
  evaluation.pck = datasets::evaluate_pck(labels, results, threshold).pck;
  evaluation.metrics[fmt::format("PCK@{}", threshold)] = evaluation.pck;
  return evaluation;
}

datasets::CocoLabels read_labels(const Config& config, const Skeleton& skeleton) {
  return datasets::read_coco_labels(data_path(config.data, config.data.val.annotations).string(),
                                    skeleton.num_keypoints());
}

std::string summary_line(const Evaluation& evaluation) {
  std::string line;
  for (const auto& [name, value] : evaluation.metrics.items()) {
    line += fmt::format("{}{} {:.4f}", line.empty() ? "" : "  ", name, value.get<double>());
  }
  return line;
}

std::string metrics_table(const Evaluation& evaluation, const std::string& name) {
  std::string names = "| Arch |", rule = "|---|", values = fmt::format("| {} |", name);
  const auto add = [&](const std::string& column, double value) {
    names += fmt::format(" {} |", column);
    rule += "---|";
    values += fmt::format(" {:.3f} |", value);
  };
  for (std::size_t i = 0; i < evaluation.figures.size(); ++i) {
    add(datasets::kCocoFigureNames[i], evaluation.figures[i]);
  }
  add("PCK", evaluation.pck);
  return names + "\n" + rule + "\n" + values + "\n";
}

}  // namespace akimbo::apps
