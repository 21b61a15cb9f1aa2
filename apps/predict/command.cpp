// akimbo predict: people's keypoints in pictures, as COCO results and as drawings.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/output_folder.h"
#include "apps/common/progress.h"
#include "apps/common/run_options.h"
#include "apps/draw/poses.h"
#include "apps/predict/boxes.h"
#include "apps/predict/estimator_parts.h"
#include "datasets/metrics/pose_results.h"
#include "datasets/readers/image_file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

struct Arguments {
  ModelSource source;
  std::vector<std::string> inputs;
  std::string boxes, annotations, out = "out/predict", json;
  bool heatmaps = false, no_drawings = false;
  double min_score = 0.2;
  RunOptions run;
};

draw::DrawnPose drawn(const datasets::PredictedPose& instance, const BoxXywh& box) {
  draw::DrawnPose pose;
  for (std::size_t i = 0; i < instance.keypoints.size(); i += 3) {
    pose.keypoints.push_back(
        {instance.keypoints[i], instance.keypoints[i + 1], instance.keypoints[i + 2]});
  }
  pose.box_xywh = {box.x, box.y, box.width, box.height};
  pose.score = instance.score;
  return pose;
}

// The largest of all keypoints' heatmaps at every pixel of the picture, for every person; each
// heatmap cell stands where the crop had it.
void overlay_people(Image& image, const std::vector<PoseEstimator::Pose>& poses) {
  std::vector<float> map(static_cast<std::size_t>(image.height) * image.width, 0.0f);
  for (const PoseEstimator::Pose& pose : poses) {
    const Tensor& maps = pose.heatmaps;
    const Size2 size{static_cast<int>(maps.dim(1)), static_cast<int>(maps.dim(0))};
    const Affine to_cell = crop_affine(pose.region, 0, size);
    const auto K = static_cast<std::size_t>(maps.dim(2));
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const Point cell = transform(to_cell, {double(x), double(y)});
        const auto cx = static_cast<int>(std::lround(cell.x));
        const auto cy = static_cast<int>(std::lround(cell.y));
        if (cx < 0 || cy < 0 || cx >= size.width || cy >= size.height) continue;
        const float* values = maps.data<float>() + (std::size_t(cy) * size.width + cx) * K;
        float& top = map[static_cast<std::size_t>(y) * image.width + x];
        top = std::max(top, *std::max_element(values, values + K));
      }
    }
  }
  draw::overlay_heatmap(image, map, image.height, image.width, 0.7);
}

class Predictor {
 public:
  Predictor(const Arguments& arguments, LoadedModel model, Device device)
      : arguments_(arguments),
        config_(model.config),
        estimator_(std::make_unique<PoseEstimator::Parts>(std::move(model), device)),
        boxes_(arguments.boxes, arguments.annotations, config_.eval.box_threshold) {}

  void picture(const fs::path& path) {
    Image image = draw::as_rgb(read_image(path));
    const std::vector<ScoredBox> scored = boxes_.boxes_of(path, image);
    std::vector<BoxXywh> boxes;
    for (const ScoredBox& box : scored) boxes.push_back(box.box);
    const std::vector<PoseEstimator::Pose> poses = estimator_.estimate(image, boxes);
    std::vector<datasets::PredictedPose> found;
    for (std::size_t i = 0; i < poses.size(); ++i) {
      found.push_back({.image_id = boxes_.image_id(path),
                       .keypoints = poses[i].keypoints,
                       .region = poses[i].region,
                       .box_score = scored[i].score});
    }
    const auto kept = datasets::rescore_and_suppress(std::move(found), estimator_.skeleton().sigmas,
                                                     suppression_options(config_.eval));
    results_.insert(results_.end(), kept.begin(), kept.end());
    if (!arguments_.no_drawings) draw_picture(path, image, poses, kept);
  }

  void write_json(const fs::path& path) const {
    write_output([&] { datasets::write_coco_results(path.string(), results_); });
  }
  [[nodiscard]] std::size_t num_people() const { return results_.size(); }

 private:
  void draw_picture(const fs::path& path, Image& image,
                    const std::vector<PoseEstimator::Pose>& poses,
                    const std::vector<datasets::PredictedPose>& kept) {
    // "_pose" keeps a drawing from replacing its own picture when both are in one folder.
    const std::string stem = unused_stem(path.stem());
    if (arguments_.heatmaps) {
      Image overlaid = image;
      overlay_people(overlaid, poses);
      write_picture(stem + "_heatmaps.jpg", overlaid);
    }
    std::vector<draw::DrawnPose> people;
    for (const datasets::PredictedPose& instance : kept) {
      // Found again by its keypoints: suppression reorders and drops.
      for (const PoseEstimator::Pose& pose : poses) {
        if (pose.keypoints == instance.keypoints) {
          people.push_back(drawn(instance, pose.box));
          break;
        }
      }
    }
    draw::draw_poses(image, people, estimator_.skeleton(), {.min_score = arguments_.min_score});
    write_picture(stem + "_pose.jpg", image);
  }

  // Pictures of one name from different folders each get a drawing.
  std::string unused_stem(const std::string& stem) {
    const int count = ++num_of_stem_[stem];
    return count == 1 ? stem : fmt::format("{}_{}", stem, count);
  }

  void write_picture(const std::string& name, const Image& image) const {
    write_output([&] { write_jpeg(fs::path(arguments_.out) / name, image); });
  }

  const Arguments& arguments_;
  Config config_;
  PoseEstimator estimator_;
  BoxSource boxes_;
  std::map<std::string, int> num_of_stem_;
  std::vector<datasets::PredictedPose> results_;
};

// A picture that cannot be read costs its own result only; the run's exit code tells.
int run(const Arguments& arguments) {
  const Device device = arguments.run.apply();
  const std::vector<fs::path> pictures = list_pictures(arguments.inputs);
  Predictor predictor(arguments, load_model(arguments.source, device), device);
  prepare_output_folder(arguments.out);
  Progress progress("predict", static_cast<std::int64_t>(pictures.size()), 100);
  std::int64_t done = 0;
  int num_bad = 0;
  for (const fs::path& path : pictures) {
    try {
      predictor.picture(path);
    } catch (const FileError& e) {
      progress.finish();
      fmt::print(stderr, "akimbo: {}\n", e.what());
      ++num_bad;
    }
    progress.update(++done);
  }
  progress.finish();
  const fs::path json =
      arguments.json.empty() ? fs::path(arguments.out) / "results.json" : fs::path(arguments.json);
  predictor.write_json(json);
  fmt::print("{}: {} people in {} pictures\n", json.string(), predictor.num_people(),
             pictures.size());
  if (!arguments.no_drawings) fmt::print("{}: the drawings\n", arguments.out);
  if (num_bad == 0) return kExitDone;
  fmt::print(stderr, "akimbo: {} of {} pictures could not be read\n", num_bad, pictures.size());
  return kExitBadData;
}

}  // namespace

Command predict_command() {
  return {
      "predict", "keypoints of the people in pictures: COCO results and drawings",
      "akimbo predict model.safetensors photos/ --boxes detections.json --out out/photos",
      [](Options& options) {
        const auto arguments = std::make_shared<Arguments>();
        options.argument("MODEL", arguments->source.model, "a model file, or a config");
        options.argument("INPUT", arguments->inputs, "pictures, or folders of pictures");
        options.option("--boxes", arguments->boxes,
                       "JSON list of {image_id or file_name, bbox, score}; without boxes the "
                       "whole picture is one person's");
        options.option("--annotations", arguments->annotations,
                       "COCO annotations: image ids and, without --boxes, people's boxes");
        options.option("--out", arguments->out, "folder of drawings and results.json");
        options.option("--json", arguments->json, "results file; default OUT/results.json");
        options.option("--min-score", arguments->min_score, "keypoints scored lower are not drawn");
        options.flag("--heatmaps", arguments->heatmaps, "draw the heatmaps over the pictures too");
        options.flag("--no-drawings", arguments->no_drawings, "write the JSON only");
        options.option("--init", arguments->source.init, "weights for a config");
        options.option("--set", arguments->source.overrides, "change a setting: a.b=value");
        arguments->run.declare(options);
        return [arguments] { return run(*arguments); };
      }};
}

}  // namespace akimbo::apps
