#include "apps/predict/predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/common/data.h"
#include "apps/common/output_folder.h"
#include "apps/common/progress.h"
#include "apps/common/run_options.h"
#include "apps/video/video.h"
#include "datasets/readers/image_file.h"
#include "engine/core/stage_times.h"
#include "engine/io/file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// Suppression reorders and drops; a pose is found again by its keypoints.
const Estimator::Pose& origin_of(const datasets::PredictedPose& kept,
                                 const std::vector<Estimator::Pose>& poses) {
  return *std::find_if(poses.begin(), poses.end(), [&](const Estimator::Pose& pose) {
    return pose.keypoints == kept.keypoints;
  });
}

// Boxes belong to the stored pixels, as annotations do; without any, people want their photos
// upright.
Image read_upright(const fs::path& path, bool upright) {
  const StageTimer timer(Stage::decode);
  return draw::as_rgb(read_image(path, {.apply_exif_orientation = upright}));
}

void check_finite(const Estimator::Pose& pose, const fs::path& input) {
  if (std::all_of(pose.keypoints.begin(), pose.keypoints.end(),
                  [](float v) { return std::isfinite(v); })) {
    return;
  }
  throw_error<NumericError>("[predict] a pose in {} is not finite; the network is not usable",
                            input.string());
}

}  // namespace

Predictor::Predictor(const PredictOptions& options, LoadedModel model, Device device)
    : options_(options),
      config_(model.config),
      estimator_(std::move(model), device),
      boxes_(options.boxes, options.annotations, config_.eval.box_threshold),
      writers_(make_writers(fs::path(options.out) / "results")) {
  say_precision(config_.eval, device);
  write_output([&] {
    io::write_file_atomic(fs::path(options.out) / "keypoints.json",
                          keypoints_json(estimator_.skeleton()));
  });
}

Predictor::Writers Predictor::make_writers(const fs::path& stem) const {
  Writers writers;
  for (const std::string& format : options_.formats) {
    const bool is_named = format == "coco" && !options_.json.empty() && stem.stem() == "results";
    const fs::path named = fs::path(options_.json).replace_extension();
    writers.push_back(make_result_writer(format, is_named ? named : stem, estimator_.skeleton()));
  }
  return writers;
}

std::string Predictor::unused_name(const fs::path& path) {
  const std::string stem = path.stem();
  const int count = ++num_of_name_[stem];
  return count == 1 ? stem : fmt::format("{}_{}", stem, count);
}

Image Predictor::look_at(const Image& image, const std::vector<ScoredBox>& scored,
                         FoundPicture& picture) {
  std::vector<BoxXywh> boxes;
  for (const ScoredBox& box : scored) boxes.push_back(box.box);
  const std::vector<Estimator::Pose> poses = estimator_.estimate(image, boxes);
  std::vector<datasets::PredictedPose> found;
  for (std::size_t i = 0; i < poses.size(); ++i) {
    check_finite(poses[i], picture.input);
    found.push_back({.image_id = picture.image_id,
                     .keypoints = poses[i].keypoints,
                     .region = poses[i].region,
                     .box_score = scored[i].score});
  }
  for (datasets::PredictedPose& kept : datasets::rescore_and_suppress(
           std::move(found), estimator_.skeleton().sigmas, suppression_options(config_.eval))) {
    const BoxXywh box = origin_of(kept, poses).box;
    picture.people.push_back({std::move(kept), box});
  }
  picture.width = image.width;
  picture.height = image.height;
  num_people_ += picture.people.size();
  if (!options_.drawings) return {};
  const StageTimer timer(Stage::output);
  return draw_people(image, poses, picture.people, estimator_.skeleton(), options_.drawing);
}

void Predictor::picture(const fs::path& path) {
  const Image image = read_upright(path, boxes_.is_whole_picture());
  FoundPicture picture{.input = path, .name = unused_name(path), .image_id = boxes_.image_id(path)};
  const Image drawing = look_at(image, boxes_.boxes_of(path, image), picture);
  const StageTimer timer(Stage::output);
  for (const auto& writer : writers_) writer->add(picture);
  has_pictures_ = true;
  if (drawing.empty()) return;
  // "_pose" keeps a drawing from replacing its own picture when both are in one folder.
  const fs::path target = fs::path(options_.out) / (picture.name + "_pose.jpg");
  write_output([&] { write_jpeg(target, drawing); });
}

bool Predictor::video(const fs::path& path, const std::function<bool()>& stop) {
  const std::string name = unused_name(path);
  const fs::path stem = fs::path(options_.out) / name;
  VideoReader reader(path);
  VideoWriter drawn(stem.string() + "_pose.mp4", reader.facts().rate);
  Writers writers = make_writers(stem.string() + "_results");
  writers.push_back(make_frame_writer(stem.string() + "_frames.json"));
  Progress progress(path.filename(), reader.facts().num_frames, 100);
  std::int64_t done = 0;
  const auto next_frame = [&] {
    const StageTimer timer(Stage::decode);
    return reader.next();
  };
  while (const auto frame = next_frame()) {
    if (stop()) return false;
    FoundPicture picture{.input = path,
                         .name = fmt::format("{}_{:012}", name, done),
                         .image_id = done,
                         .time_s = std::max(frame->time_s, 0.0)};
    const auto boxes = boxes_.boxes_of_frame(path, done, frame->image);
    const Image drawing = look_at(frame->image, boxes, picture);
    const StageTimer timer(Stage::output);
    for (const auto& writer : writers) writer->add(picture);
    if (!drawing.empty()) drawn.add(drawing, frame->time_s);
    progress.update(++done);
  }
  progress.finish();
  if (stop()) return false;
  drawn.finish();
  for (const auto& writer : writers) writer->finish();
  const std::string complaint = reader.complaint();
  if (complaint.empty()) return true;
  throw_error<FileError>("[video] {} may be damaged: {} frames were read, of {} stated; {}",
                         path.string(), done, reader.facts().num_frames, complaint);
}

void Predictor::finish() {
  if (!has_pictures_) return;
  for (const auto& writer : writers_) writer->finish();
}

}  // namespace akimbo::apps
