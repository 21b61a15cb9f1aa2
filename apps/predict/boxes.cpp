#include "apps/predict/boxes.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/core/error.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_record(const std::string& path, std::size_t index, const std::string& why) {
  throw_error<FileError>("[boxes] record {} of {} {}", index, path, why);
}

BoxXywh box_of(const Json& record, const std::string& path, std::size_t index) {
  const auto found = record.find("bbox");
  if (found == record.end() || !found->is_array() || found->size() != 4) {
    throw_record(path, index, "has no bbox [x, y, width, height]");
  }
  std::array<double, 4> v{};
  for (std::size_t i = 0; i < 4; ++i) {
    if (!(*found)[i].is_number()) throw_record(path, index, "has a bbox that is not four numbers");
    v[i] = (*found)[i].get<double>();
    if (!std::isfinite(v[i])) throw_record(path, index, "has a bbox that is not finite");
  }
  if (v[2] <= 0 || v[3] <= 0) {
    throw_record(path, index,
                 fmt::format("has the bbox {}, whose width or height is not above 0; remove it",
                             found->dump()));
  }
  return {v[0], v[1], v[2], v[3]};
}

std::int64_t id_of(const Json& record, const char* key, const std::string& path,
                   std::size_t index) {
  const auto found = record.find(key);
  if (found == record.end() || !found->is_number_integer()) {
    throw_record(path, index, fmt::format("has no {} that is a whole number", key));
  }
  return found->get<std::int64_t>();
}

const Json& list_in(const Json& json, const char* key, const std::string& path) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end() || !found->is_array()) {
    throw_error<FileError>("[boxes] {} holds no list \"{}\"; COCO annotations are wanted", path,
                           key);
  }
  return *found;
}

}  // namespace

BoxSource::BoxSource(const std::string& boxes, const std::string& annotations, double box_threshold)
    : whole_picture_(boxes.empty() && annotations.empty()) {
  if (!annotations.empty()) read_annotations(annotations, boxes.empty());
  if (!boxes.empty()) read_boxes(boxes, box_threshold);
}

void BoxSource::read_annotations(const std::string& path, bool with_boxes) {
  const Json json = io::read_json(path);
  const Json& images = list_in(json, "images", path);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto name = images[i].is_object() ? images[i].find("file_name") : images[i].end();
    if (!images[i].is_object() || name == images[i].end() || !name->is_string()) {
      throw_record(path, i, "of images has no file_name");
    }
    id_of_name_[fs::path(name->get<std::string>()).filename()] = id_of(images[i], "id", path, i);
  }
  if (!with_boxes) return;
  const Json& people = list_in(json, "annotations", path);
  for (std::size_t i = 0; i < people.size(); ++i) {
    if (!people[i].is_object()) throw_record(path, i, "of annotations is no object");
    if (people[i].value("iscrowd", Json(0)) == Json(1)) continue;
    by_id_[id_of(people[i], "image_id", path, i)].push_back({box_of(people[i], path, i), 1});
  }
}

void BoxSource::read_boxes(const std::string& path, double threshold) {
  const Json json = io::read_json(path);
  if (!json.is_array()) {
    throw_error<FileError>("[boxes] {} is no list of {{image_id, bbox, score}}", path);
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    const Json& record = json[i];
    if (!record.is_object()) throw_record(path, i, "is no object {image_id, bbox, score}");
    const auto category = record.find("category_id");
    if (category != record.end() && *category != Json(1)) continue;
    ScoredBox box{box_of(record, path, i), 1};
    const auto score = record.find("score");
    if (score != record.end() && !score->is_number()) throw_record(path, i, "has no number score");
    if (score != record.end()) box.score = score->get<double>();
    if (!(box.score >= threshold)) continue;
    const auto name = record.find("file_name");
    if (name != record.end() && name->is_string()) {
      const std::string file = fs::path(name->get<std::string>()).filename();
      if (record.contains("frame")) {
        by_frame_[{file, id_of(record, "frame", path, i)}].push_back(box);
      } else {
        by_name_[file].push_back(box);
      }
    } else {
      by_id_[id_of(record, "image_id", path, i)].push_back(box);
    }
  }
}

std::int64_t BoxSource::image_id(const fs::path& picture) {
  const std::string name = picture.filename();
  const auto known = id_of_name_.find(name);
  if (known != id_of_name_.end()) return known->second;
  const std::string stem = picture.stem();
  const std::size_t begin = stem.find_last_not_of("0123456789") + 1;
  std::int64_t id = next_id_;
  const auto parsed = std::from_chars(stem.data() + begin, stem.data() + stem.size(), id);
  if (begin == stem.size() || parsed.ec != std::errc()) id = next_id_;
  next_id_ = std::max(next_id_, id) + 1;
  id_of_name_[name] = id;
  return id;
}

namespace {

ScoredBox whole_of(const Image& image) {
  return {{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}, 1};
}

}  // namespace

std::vector<ScoredBox> BoxSource::boxes_of(const fs::path& picture, const Image& image) {
  if (whole_picture_) return {whole_of(image)};
  std::vector<ScoredBox> boxes = by_id_[image_id(picture)];
  const std::vector<ScoredBox>& named = by_name_[picture.filename()];
  boxes.insert(boxes.end(), named.begin(), named.end());
  return boxes;
}

std::vector<ScoredBox> BoxSource::boxes_of_frame(const fs::path& video, std::int64_t frame,
                                                 const Image& image) {
  if (whole_picture_) return {whole_of(image)};
  std::vector<ScoredBox> boxes = by_id_[frame];
  const std::vector<ScoredBox>& named = by_frame_[{video.filename(), frame}];
  boxes.insert(boxes.end(), named.begin(), named.end());
  return boxes;
}

}  // namespace akimbo::apps
