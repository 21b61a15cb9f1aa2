#include "datasets/metrics/coco_files.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "datasets/readers/rle.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json_scanner.h"

namespace akimbo::datasets {
namespace {

using io::JsonScanner;

// Takes a list of numbers and appends them; returns how many.
std::size_t append_numbers(JsonScanner& scanner, std::vector<double>& out) {
  const std::size_t before = out.size();
  scanner.array([&] { out.push_back(scanner.number()); });
  return out.size() - before;
}

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
  LabelReader(std::string_view text, int num_keypoints, const std::string& where)
      : scanner_(text, where), where_(where) {
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
    if (!has_images || !has_annotations) {
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
    scanner_.object([&](std::string_view key) {
      if (key == "id") {
        id = scanner_.integer();
        found = true;
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
        append_numbers(scanner_, labels_.keypoints);
      } else {
        scanner_.skip();
      }
    });
    const auto require = [&](bool present, const char* key) {
      if (!present) fail(person, has_id, fmt::format("has no \"{}\"", key));
    };
    require(has_id, "id");
    require(has_image, "image_id");
    require(has_area, "area");
    require(has_box, "bbox");
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
  CocoLabels labels_;
};

class ResultReader {
 public:
  ResultReader(std::string_view text, int num_keypoints, const std::string& where)
      : scanner_(text, where), where_(where) {
    results_.num_keypoints = num_keypoints;
  }

  CocoResults read() {
    if (scanner_.kind() != JsonScanner::Kind::array) {
      throw_error<FileError>("[coco] {} is no list of results", where_);
    }
    scanner_.array([&] { read_pose(); });
    scanner_.finish();
    return std::move(results_);
  }

 private:
  enum class AreaSource { unknown, box, mask, keypoints };

  void read_pose() {
    CocoResults::Pose pose;
    bool has_image = false, has_category = false, has_score = false;
    bool has_box = false, has_mask = false;
    double box_area = 0.0, mask_area = 0.0;
    const std::size_t start = results_.keypoints.size();
    scanner_.object([&](std::string_view key) {
      if (key == "keypoints") {
        results_.keypoints.resize(start);
        append_numbers(scanner_, results_.keypoints);
      } else if (key == "image_id") {
        pose.image_id = scanner_.integer();
        has_image = true;
      } else if (key == "category_id") {
        pose.category_id = scanner_.integer();
        has_category = true;
      } else if (key == "score") {
        pose.score = scanner_.number();
        has_score = true;
      } else if (key == "bbox") {
        has_box = read_box_area(box_area);
      } else if (key == "segmentation") {
        has_mask = read_mask_area(mask_area);
      } else {
        scanner_.skip();
      }
    });
    if (!has_image) fail("has no \"image_id\"");
    if (!has_category) fail("has no \"category_id\"");
    if (!has_score) fail("has no \"score\"");
    check_keypoints(start);
    if (source_ == AreaSource::unknown) {
      source_ = has_box ? AreaSource::box : has_mask ? AreaSource::mask : AreaSource::keypoints;
    }
    if (source_ == AreaSource::box && !has_box) fail("has no \"bbox\", but the first one has");
    if (source_ == AreaSource::mask && !has_mask) {
      fail("has no \"segmentation\", but the first one has");
    }
    pose.area = source_ == AreaSource::box    ? box_area
                : source_ == AreaSource::mask ? mask_area
                                              : extent(start);
    results_.poses.push_back(pose);
  }

  // An empty list counts as no box.
  bool read_box_area(double& area) {
    std::array<double, 4> box{};
    std::size_t count = 0;
    scanner_.array([&] {
      const double value = scanner_.number();
      if (count < 4) box[count] = value;
      ++count;
    });
    if (count != 0 && count != 4) scanner_.fail("a box has 4 numbers, not {}", count);
    area = box[2] * box[3];
    return count == 4;
  }

  // Only run-length masks have an area here, as in the official tool.
  bool read_mask_area(double& area) {
    if (scanner_.kind() != JsonScanner::Kind::object) {
      scanner_.skip();
      return false;
    }
    std::string counts;
    scanner_.object([&](std::string_view key) {
      if (key == "counts") {
        counts = scanner_.string();
      } else {
        scanner_.skip();
      }
    });
    area = static_cast<double>(rle_area(rle_counts_from_string(counts)));
    return true;
  }

  void check_keypoints(std::size_t start) {
    const auto wanted = 3 * static_cast<std::size_t>(results_.num_keypoints);
    const std::size_t found = results_.keypoints.size() - start;
    if (found == wanted) return;
    fail(fmt::format("has {} keypoint numbers, but {} keypoints need {}", found,
                     results_.num_keypoints, wanted));
  }

  [[nodiscard]] double extent(std::size_t start) const {
    const double* numbers = results_.keypoints.data() + start;
    return keypoint_extent(numbers, results_.num_keypoints);
  }

 public:
  // Area of the smallest box around all keypoints [K, 3].
  template <typename T>
  static double keypoint_extent(const T* numbers, int count) {
    double x0 = numbers[0], x1 = x0, y0 = numbers[1], y1 = y0;
    for (int k = 1; k < count; ++k) {
      x0 = std::min<double>(x0, numbers[3 * k]);
      x1 = std::max<double>(x1, numbers[3 * k]);
      y0 = std::min<double>(y0, numbers[3 * k + 1]);
      y1 = std::max<double>(y1, numbers[3 * k + 1]);
    }
    return (x1 - x0) * (y1 - y0);
  }

 private:
  [[noreturn]] void fail(const std::string& text) {
    throw_error<FileError>("[coco] {}: result number {} of the list {}", where_,
                           results_.poses.size() + 1, text);
  }

  JsonScanner scanner_;
  const std::string& where_;
  AreaSource source_ = AreaSource::unknown;
  CocoResults results_;
};

void check_count(int num_keypoints) {
  if (num_keypoints < 1) {
    throw_error<ArgumentError>("[coco] {} keypoints; at least one is needed", num_keypoints);
  }
}

}  // namespace

void CocoResults::add(std::int64_t image_id, double score, const float* keypoints_image,
                      int count) {
  if (poses.empty()) num_keypoints = count;
  if (count != num_keypoints) {
    throw_error<ArgumentError>("[coco] a pose of {} keypoints among poses of {}", count,
                               num_keypoints);
  }
  keypoints.insert(keypoints.end(), keypoints_image, keypoints_image + 3 * count);
  poses.push_back({.image_id = image_id,
                   .score = score,
                   .area = ResultReader::keypoint_extent(keypoints_image, count)});
}

CocoLabels parse_coco_labels(std::string_view json_text, int num_keypoints,
                             const std::string& where) {
  check_count(num_keypoints);
  return LabelReader(json_text, num_keypoints, where).read();
}

CocoLabels read_coco_labels(const std::string& path, int num_keypoints) {
  return parse_coco_labels(io::read_file(path), num_keypoints, path);
}

CocoResults parse_coco_results(std::string_view json_text, int num_keypoints,
                               const std::string& where) {
  check_count(num_keypoints);
  return ResultReader(json_text, num_keypoints, where).read();
}

CocoResults read_coco_results(const std::string& path, int num_keypoints) {
  return parse_coco_results(io::read_file(path), num_keypoints, path);
}

}  // namespace akimbo::datasets
