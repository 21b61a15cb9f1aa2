// akimbo predict: people's keypoints in pictures and videos, as files and as drawings.
#include <fmt/format.h>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/output_folder.h"
#include "apps/common/progress.h"
#include "apps/common/run_options.h"
#include "apps/common/stop_signal.h"
#include "apps/common/time_report.h"
#include "apps/predict/inputs.h"
#include "apps/predict/predictor.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

struct Arguments {
  ModelSource source;
  std::vector<std::string> inputs, formats;
  PredictOptions options;
  std::string style = "auto";
  bool flip = false, no_drawings = false, no_boxes = false;
  RunOptions run;
};

void check(const Arguments& arguments, const PredictInputs& inputs) {
  const draw::PoseStyle& style = arguments.options.drawing.style;
  if (!(style.min_score >= 0) || !(style.radius_px >= 0) || !(style.thickness_px >= 0) ||
      style.radius_px > 500 || style.thickness_px > 500) {
    throw_error<ConfigError>(
        "--min-score {}, --radius {} and --thickness {} must be numbers from 0, the latter two up "
        "to 500 pixels",
        style.min_score, style.radius_px, style.thickness_px);
  }
  if (!inputs.videos.empty() && !arguments.options.annotations.empty() &&
      arguments.options.boxes.empty()) {
    throw_error<ConfigError>(
        "--annotations gives the boxes of pictures, and {} is a video; give its boxes by frame "
        "with --boxes",
        inputs.videos.front().string());
  }
  const std::string& json = arguments.options.json;
  if (!json.empty() && !json.ends_with(".json")) {
    throw_error<ConfigError>("--json {} does not end in .json", json);
  }
}

PredictOptions options_of(const Arguments& arguments) {
  PredictOptions options = arguments.options;
  if (!arguments.formats.empty()) options.formats = arguments.formats;
  options.drawings = !arguments.no_drawings;
  options.drawing.style.style = draw::parse_skeleton_style(arguments.style);
  options.drawing.style.boxes = !arguments.no_boxes;
  return options;
}

// What cannot be read costs its own result only; the run's exit code tells.
class Run {
 public:
  Run(Predictor& predictor, const PredictInputs& inputs) : predictor_(predictor), inputs_(inputs) {}

  // The exit code.
  int go() {
    Progress progress("predict", static_cast<std::int64_t>(inputs_.pictures.size()), 100);
    std::int64_t done = 0;
    for (const fs::path& path : inputs_.pictures) {
      if (stopped()) break;
      attempt(progress, [&] { predictor_.picture(path); });
      progress.update(++done);
    }
    progress.finish();
    for (const fs::path& path : inputs_.videos) {
      if (stopped()) break;
      attempt(progress, [&] { (void)predictor_.video(path, [&] { return stopped(); }); });
    }
    if (stopped()) return 128 + signal_.received();
    predictor_.finish();
    return num_bad_ == 0 ? kExitDone : kExitBadData;
  }
  [[nodiscard]] int num_bad() const { return num_bad_; }

 private:
  [[nodiscard]] bool stopped() const { return signal_.received() != 0; }

  template <typename Work>
  void attempt(Progress& progress, const Work& work) {
    try {
      work();
    } catch (const FileError& e) {
      progress.finish();
      fmt::print(stderr, "akimbo: {}\n", e.what());
      ++num_bad_;
    }
  }

  Predictor& predictor_;
  const PredictInputs& inputs_;
  const StopSignal signal_;
  int num_bad_ = 0;
};

int run(const Arguments& arguments) {
  const Device device = arguments.run.apply();
  const PredictInputs inputs = list_inputs(arguments.inputs);
  check(arguments, inputs);
  const PredictOptions options = options_of(arguments);
  LoadedModel model = load_model(arguments.source, device);
  print_notes(model);
  arguments.run.adjust(model.config);
  if (arguments.flip) model.config.eval.flip_test = true;
  prepare_output_folder(options.out);
  const TimeReport report;
  Predictor predictor(options, std::move(model), device);
  Run run(predictor, inputs);
  const int code = run.go();
  if (code > 128) return code;
  fmt::print(stderr, "time: {}\n", report.line());
  fmt::print("{}: {} people in {} pictures and {} videos\n", options.out, predictor.num_people(),
             inputs.pictures.size(), inputs.videos.size());
  if (predictor.num_people() == 0 && run.num_bad() == 0) {
    fmt::print(
        stderr,
        "akimbo: no one was found: no box belongs to any of these pictures or videos; compare "
        "their names with those in --boxes or --annotations\n");
  }
  if (run.num_bad() > 0) {
    fmt::print(stderr, "akimbo: {} of {} pictures and videos could not be read, or not wholly\n",
               run.num_bad(), inputs.pictures.size() + inputs.videos.size());
  }
  return code;
}

void declare_drawing(Options& options, Arguments& arguments) {
  draw::PoseStyle& style = arguments.options.drawing.style;
  options.option("--style", arguments.style,
                 "colours by sides of the body, limbs (one each, or the skeleton's own) or people; "
                 "points: keypoints only; lines: limbs only; auto: limbs if the skeleton has "
                 "colours, else sides");
  options.option("--min-score", style.min_score, "keypoints scored lower are not drawn");
  options.option("--radius", style.radius_px, "of keypoints, in pixels; 0: fits the person");
  options.option("--thickness", style.thickness_px, "of limbs, in pixels; 0: fits the person");
  options.flag("--heatmaps", arguments.options.drawing.heatmaps, "draw the heatmaps below");
  options.flag("--black", arguments.options.drawing.black, "draw on black, not on the picture");
  options.flag("--ids", style.ids, "number the people of a picture");
  options.flag("--no-boxes", arguments.no_boxes, "draw no boxes");
  options.flag("--no-drawings", arguments.no_drawings, "write files of results only");
}

}  // namespace

Command predict_command() {
  return {
      "predict", "keypoints of the people in pictures and videos, as files and drawings",
      "akimbo predict model.safetensors 'photos/*.jpg' clip.mp4 --boxes detections.json --out out",
      [](Options& options) {
        const auto arguments = std::make_shared<Arguments>();
        options.argument("MODEL", arguments->source.model,
                         "a checkpoint, or a config (with --init)");
        options.argument("INPUT", arguments->inputs,
                         "pictures, videos (with ffmpeg installed), folders of them, or patterns "
                         "such as 'a/*.jpg'");
        options.option("--boxes", arguments->options.boxes,
                       "JSON list of {image_id or file_name, bbox, score}, in videos with frame; "
                       "without boxes the whole picture is one person's");
        options.option("--annotations", arguments->options.annotations,
                       "COCO annotations: image ids and, without --boxes, people's boxes");
        options.option("--out", arguments->options.out, "folder of drawings and results");
        options.option("--format", arguments->formats,
                       "of results: coco (default), openpose, csv; may be given several times");
        options.option("--json", arguments->options.json,
                       "COCO results of the pictures; default OUT/results.json");
        options.flag("--flip", arguments->flip, "average with the mirrored picture");
        declare_drawing(options, *arguments);
        arguments->source.declare(options);
        arguments->run.declare(options);
        arguments->run.declare_precision(options);
        return [arguments] { return run(*arguments); };
      }};
}

}  // namespace akimbo::apps
