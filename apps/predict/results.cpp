#include "apps/predict/results.h"

#include <fmt/ranges.h>

#include "apps/common/output_folder.h"
#include "apps/predict/openpose.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

class CocoWriter : public ResultWriter {
 public:
  explicit CocoWriter(fs::path path) : path_(std::move(path)) {}
  void add(const FoundPicture& picture) override {
    for (const FoundPerson& person : picture.people) poses_.push_back(person.pose);
  }
  void finish() override {
    write_output([&] { datasets::write_coco_results(path_.string(), poses_); });
  }

 private:
  fs::path path_;
  std::vector<datasets::PredictedPose> poses_;
};

// A field as RFC 4180 wants it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

class CsvWriter : public ResultWriter {
 public:
  CsvWriter(fs::path path, const Skeleton& skeleton)
      : path_(std::move(path)),
        text_("input,image_id,time_s,person,score,box_x,box_y,box_width,box_height") {
    for (const std::string& name : skeleton.keypoints) {
      for (const char* part : {"x", "y", "score"}) text_ += "," + csv_field(name + "_" + part);
    }
    text_ += "\n";
  }
  void add(const FoundPicture& picture) override {
    const std::string time = picture.time_s < 0 ? "" : fmt::format("{:.6f}", picture.time_s);
    int number = 0;
    for (const auto& [pose, box] : picture.people) {
      text_ += fmt::format("{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{}\n",
                           csv_field(picture.input.string()), picture.image_id, time, ++number,
                           pose.score, box.x, box.y, box.width, box.height,
                           fmt::join(pose.keypoints, ","));
    }
  }
  void finish() override {
    write_output([&] { io::write_file_atomic(path_, text_); });
  }

 private:
  fs::path path_;
  std::string text_;
};

class OpenPoseWriter : public ResultWriter {
 public:
  OpenPoseWriter(fs::path folder, const Skeleton& skeleton)
      : folder_(std::move(folder)), skeleton_(skeleton) {
    if (has_openpose_keypoints(skeleton)) return;
    throw_error<ConfigError>(
        "--format openpose: the skeleton {} has none of the keypoints of OpenPose's BODY_25 (nose, "
        "left_shoulder and so on)",
        skeleton.name);
  }
  void add(const FoundPicture& picture) override {
    if (!is_prepared_) prepare_output_folder(folder_);
    is_prepared_ = true;
    std::vector<std::vector<float>> people;
    for (const FoundPerson& person : picture.people) people.push_back(person.pose.keypoints);
    write_output([&] {
      io::write_file_atomic(folder_ / (picture.name + "_keypoints.json"),
                            openpose_json(people, skeleton_));
    });
  }
  void finish() override {}  // every picture has its file already

 private:
  fs::path folder_;
  const Skeleton& skeleton_;
  bool is_prepared_ = false;
};

class FrameWriter : public ResultWriter {
 public:
  explicit FrameWriter(fs::path path) : path_(std::move(path)) {}
  void add(const FoundPicture& frame) override {
    if (frames_.empty()) {
      head_ = {{"input", frame.input.string()}, {"width", frame.width}, {"height", frame.height}};
    }
    std::string people;
    for (const auto& [pose, box] : frame.people) {
      people += fmt::format(
          R"({}{{"score":{:.6g},"box":[{:.6g},{:.6g},{:.6g},{:.6g}],"keypoints":[{}]}})",
          people.empty() ? "" : ",", pose.score, box.x, box.y, box.width, box.height,
          fmt::join(pose.keypoints, ","));
    }
    frames_ += fmt::format("{}\n{{\"frame\":{},\"time_s\":{:.6f},\"people\":[{}]}}",
                           frames_.empty() ? "" : ",", frame.image_id, frame.time_s, people);
  }
  void finish() override {
    std::string text = head_.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.back() = ',';  // in place of the brace
    write_output([&] { io::write_file_atomic(path_, text + "\"frames\":[" + frames_ + "\n]}\n"); });
  }

 private:
  fs::path path_;
  Json head_ = {{"input", ""}};
  std::string frames_;
};

}  // namespace

std::unique_ptr<ResultWriter> make_result_writer(const std::string& format, const fs::path& stem,
                                                 const Skeleton& skeleton) {
  if (format == "coco") return std::make_unique<CocoWriter>(stem.string() + ".json");
  if (format == "csv") return std::make_unique<CsvWriter>(stem.string() + ".csv", skeleton);
  if (format == "openpose") {
    return std::make_unique<OpenPoseWriter>(stem.parent_path() / "openpose", skeleton);
  }
  throw_error<ConfigError>("--format {} is not known; give coco, openpose or csv", format);
}

std::unique_ptr<ResultWriter> make_frame_writer(const fs::path& path) {
  return std::make_unique<FrameWriter>(path);
}

std::string keypoints_json(const Skeleton& skeleton) {
  const Json json = {
      {"order", {"x", "y", "score"}},
      {"unit", "pixels of the picture; the centre of the top left one is at (0, 0), y points down"},
      {"skeleton", Json::parse(skeleton_json(skeleton))}};
  return json.dump(1) + "\n";
}

}  // namespace akimbo::apps
