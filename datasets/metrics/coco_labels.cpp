#include "datasets/metrics/coco_files.h"

#include <unordered_set>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json_scanner.h"

namespace akimbo::datasets {
namespace {

using io::JsonScanner;

std::array<double, 4> read_box(JsonScanner& scanner) {
  std::array<double, 4> box{};
  std::size_t count = 0;
  scanner.array([&] {
    const double value = scanner.number();
    if (count < 4) box[count] = value;
    ++count;
  });
  if (count != 4) scanner.fail("a box has 4 numbers [x, y, width, height], not {}", count);
  return box;
}

// 0, 1, true or false.
bool read_flag(JsonScanner& scanner) {
  if (scanner.kind() == JsonScanner::Kind::boolean) return scanner.boolean();
  return scanner.number() != 0.0;
}

class LabelReader {
 public:
  LabelReader(std::string_view text, int num_keypoints, const std::string& where,
              const LabelOptions& options)
      : scanner_(text, where), where_(where), options_(options) {
    labels_.num_keypoints = num_keypoints;
  }

  CocoLabels read() {
    bool has_images = false, has_annotations = false, has_categories = false;
    scanner_.object([&](std::string_view key) {
      if (key == "images") {
        has_images = true;
        scanner_.array([&] { labels_.image_ids.push_back(read_id("image")); });
      } else if (key == "categories") {
        has_categories = true;
        scanner_.array([&] { labels_.category_ids.push_back(read_id("category")); });
      } else if (key == "annotations") {
        has_annotations = true;
        scanner_.array([&] { read_person(); });
      } else {
        scanner_.skip();
      }
    });
    scanner_.finish();
    labels_.labelled = has_annotations;
    if (!has_images || !(has_annotations || options_.accept_unlabelled)) {
      throw_error<FileError>("[coco] {} has no \"{}\"; a COCO annotation file is wanted", where_,
                             has_images ? "annotations" : "images");
    }
    if (!has_categories) labels_.category_ids = {1};
    check_references();
    return std::move(labels_);
  }

 private:
  std::int64_t read_id(const char* what) {
    std::int64_t id = 0;
    bool found = false;
    const bool is_image = std::string_view(what) == "image";
    const std::size_t num_crowd_indices = labels_.crowd_indices.size();
    scanner_.object([&](std::string_view key) {
      if (key == "id") {
        id = scanner_.integer();
        found = true;
      } else if (options_.crowd_indices && key == "crowdIndex" && is_image) {
        labels_.crowd_indices.resize(num_crowd_indices);
        labels_.crowd_indices.push_back(scanner_.number());
      } else {
        scanner_.skip();
      }
    });
    if (!found) scanner_.fail("this {} has no \"id\"", what);
    return id;
  }

  void read_person() {
    CocoLabels::Person person;
    std::int64_t num_labelled = -1;
    bool has_id = false, has_image = false, has_area = false, has_box = false;
    const std::size_t start = labels_.keypoints.size();
    scanner_.object([&](std::string_view key) {
      if (key == "id") {
        person.id = scanner_.integer();
        has_id = true;
      } else if (key == "image_id") {
        person.image_id = scanner_.integer();
        has_image = true;
      } else if (key == "category_id") {
        person.category_id = scanner_.integer();
      } else if (key == "area") {
        person.area = scanner_.number();
        has_area = true;
      } else if (key == "bbox") {
        person.box_xywh = read_box(scanner_);
        has_box = true;
      } else if (key == "iscrowd") {
        person.is_crowd = read_flag(scanner_);
      } else if (key == "num_keypoints") {
        num_labelled = scanner_.integer();
      } else if (key == "keypoints") {
        labels_.keypoints.resize(start);
        scanner_.array([&] { labels_.keypoints.push_back(scanner_.number()); });
      } else {
        scanner_.skip();
      }
    });
    const auto require = [&](bool present, const char* key) {
      if (!present) fail(person, has_id, fmt::format("has no \"{}\"", key));
    };
    require(has_id, "id");
    require(has_image, "image_id");
    require(has_box, "bbox");
    if (options_.box_area_share > 0) {
      person.area = person.box_xywh[2] * person.box_xywh[3] * options_.box_area_share;
    } else {
      require(has_area, "area");
    }
    check_person(person, start);
    person.has_keypoints = num_labelled >= 0 ? num_labelled > 0 : any_visible(start);
    labels_.people.push_back(person);
  }

  void check_person(const CocoLabels::Person& person, std::size_t start) {
    const auto wanted = 3 * static_cast<std::size_t>(labels_.num_keypoints);
    const std::size_t found = labels_.keypoints.size() - start;
    if (found != wanted) {
      fail(person, true,
           fmt::format("has {} keypoint numbers, but {} keypoints need {}", found,
                       labels_.num_keypoints, wanted));
    }
    if (person.area < 0) fail(person, true, fmt::format("has the area {}", person.area));
    if (person.box_xywh[2] < 0 || person.box_xywh[3] < 0) {
      fail(person, true,
           fmt::format("has a box of negative size, {} x {}", person.box_xywh[2],
                       person.box_xywh[3]));
    }
  }

  [[nodiscard]] bool any_visible(std::size_t start) const {
    for (std::size_t i = start + 2; i < labels_.keypoints.size(); i += 3) {
      if (labels_.keypoints[i] > 0) return true;
    }
    return false;
  }

  [[noreturn]] void fail(const CocoLabels::Person& person, bool has_id, const std::string& text) {
    throw_error<FileError>(
        "[coco] {}: {} {}", where_,
        has_id ? fmt::format("annotation {}", person.id)
               : fmt::format("annotation number {} of the list", labels_.people.size() + 1),
        text);
  }

  void check_references() {
    if (options_.crowd_indices && labels_.crowd_indices.size() != labels_.image_ids.size()) {
      throw_error<FileError>(
          "[coco] {}: {} of {} images have a \"crowdIndex\"; a file of CrowdPose is wanted, whose "
          "images all have one",
          where_, labels_.crowd_indices.size(), labels_.image_ids.size());
    }
    const std::unordered_set<std::int64_t> images(labels_.image_ids.begin(),
                                                  labels_.image_ids.end());
    std::unordered_set<std::int64_t> seen;
    for (const CocoLabels::Person& person : labels_.people) {
      if (!seen.insert(person.id).second) fail(person, true, "is listed twice");
      if (!images.contains(person.image_id)) {
        fail(person, true, fmt::format("is of image {}, which is not listed", person.image_id));
      }
    }
  }

  JsonScanner scanner_;
  const std::string& where_;
  const LabelOptions& options_;
  CocoLabels labels_;
};

}  // namespace

CocoLabels parse_coco_labels(std::string_view json_text, int num_keypoints,
                             const std::string& where, const LabelOptions& options) {
  if (num_keypoints < 1) {
    throw_error<ArgumentError>("[coco] {} keypoints; at least one is needed", num_keypoints);
  }
  return LabelReader(json_text, num_keypoints, where, options).read();
}

CocoLabels read_coco_labels(const std::string& path, int num_keypoints,
                            const LabelOptions& options) {
  return parse_coco_labels(io::read_file(path), num_keypoints, path, options);
}

}  // namespace akimbo::datasets
