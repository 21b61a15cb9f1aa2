#include "datasets/readers/coco_format.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "datasets/readers/json_records.h"
#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::datasets {
namespace {

// An annotation as listed: the file may list its pictures after it.
struct Annotation {
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  PersonRecord person;
};

struct CocoFile {
  std::vector<ImageEntry> images;
  std::vector<Annotation> annotations;
  std::optional<std::int64_t> person_category;
};

std::string record_name(const std::string& where, const char* kind, std::int64_t index,
                        const Json& record) {
  const auto id = record.find("id");
  if (id != record.end() && id->is_number_integer()) {
    return fmt::format("{}: {} {}", where, kind, id->get<std::int64_t>());
  }
  return fmt::format("{}: {} at position {}", where, kind, index);
}

ImageEntry image_of(const RecordFields& fields) {
  ImageEntry image;
  image.id = fields.integer("id");
  // COCO's own names are the padded ids; the prefix of the 2014 sets is in the file.
  image.name =
      fields.has("file_name") ? fields.text("file_name") : fmt::format("{:012}.jpg", image.id);
  for (const char* key : {"width", "height"}) {
    const std::int64_t side = fields.integer(key);
    if (side < 1 || side > (1 << 24)) fields.fail(key, "a side of 1 to 16777216 pixels");
    (key[0] == 'w' ? image.width : image.height) = static_cast<int>(side);
  }
  return image;
}

BoxXywh box_of(const RecordFields& fields) {
  const std::vector<double> numbers = fields.numbers("bbox", 4);
  const bool sane =
      numbers[2] >= 0 && numbers[3] >= 0 &&
      std::all_of(numbers.begin(), numbers.end(), [](double v) { return std::abs(v) < 1e7; });
  if (!sane) fields.fail("bbox", "[x, y, width, height] in pixels, width and height not negative");
  return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

std::vector<Joint> joints_of(const RecordFields& fields, const Json& record, int num_keypoints) {
  std::vector<Joint> joints(static_cast<std::size_t>(num_keypoints));
  if (!fields.has("keypoints")) return joints;
  const Json& list = record["keypoints"];
  const std::size_t wanted = joints.size() * 3;
  if (list.is_array() && list.size() != wanted) {
    throw_error<FileError>(
        "[data] {}: {} keypoint numbers (3 for each), but the skeleton has {} keypoints; choose "
        "the "
        "skeleton that the file was labelled with",
        fields.name(), list.size(), num_keypoints);
  }
  const std::vector<double> numbers = fields.numbers("keypoints", wanted);
  for (std::size_t k = 0; k < joints.size(); ++k) {
    joints[k].image = {numbers[3 * k], numbers[3 * k + 1]};
    joints[k].visible = static_cast<float>(std::min(numbers[3 * k + 2], 1.0));
    if (numbers[3 * k + 2] < 0) fields.fail("keypoints", "visibilities of 0, 1 or 2");
  }
  return joints;
}

bool is_labelled(const std::vector<Joint>& joints) {
  // The largest of all numbers is not 0: the references' test.
  return std::any_of(joints.begin(), joints.end(), [](const Joint& joint) {
    return joint.image.x > 0 || joint.image.y > 0 || joint.visible > 0;
  });
}

// Crowd regions and people without labels are left out here, before their fields are looked at.
std::optional<Annotation> annotation_of(const RecordFields& fields, const Json& record,
                                        const ReadOptions& options) {
  Annotation annotation;
  annotation.image_id = fields.integer("image_id");
  annotation.category_id = fields.integer("category_id");
  if (fields.has("iscrowd") && fields.integer("iscrowd") != 0) return std::nullopt;
  PersonRecord& person = annotation.person;
  person.annotation_id = fields.integer("id");
  person.joints = joints_of(fields, record, options.num_keypoints);
  person.box_image = box_of(fields);
  const BoxXywh& box = person.box_image;
  person.area = options.box_area_share > 0 ? box.width * box.height * options.box_area_share
                                           : fields.number("area");
  if (!is_labelled(person.joints)) return std::nullopt;
  return annotation;
}

// The category called person, else the first: its id, and the check of its keypoints.
void read_category(CocoFile& file, const RecordFields& fields, const Json& record,
                   int num_keypoints) {
  const std::int64_t id = fields.integer("id");
  const bool is_person = fields.has("name") && fields.text("name") == "person";
  if (!file.person_category || is_person) file.person_category = id;
  const auto names = record.find("keypoints");
  if (!is_person || names == record.end() || !names->is_array()) return;
  if (names->size() != static_cast<std::size_t>(num_keypoints)) {
    throw_error<FileError>(
        "[data] {} lists {} keypoints, but the skeleton has {}; choose the skeleton that the file "
        "was labelled with",
        fields.name(), names->size(), num_keypoints);
  }
}

CocoFile parse_file(std::string_view text, const std::string& where, const ReadOptions& options) {
  CocoFile file;
  BadRecords bad;
  const auto handle = [&](std::string_view list, std::int64_t index, const Json& record) {
    bad.run([&] {
      if (list == "images") {
        file.images.push_back(image_of({record, record_name(where, "image", index, record)}));
      } else if (list == "categories") {
        read_category(file, {record, record_name(where, "category", index, record)}, record,
                      options.num_keypoints);
      } else if (list == "annotations") {
        const RecordFields fields(record, record_name(where, "annotation", index, record));
        auto annotation = annotation_of(fields, record, options);
        if (annotation) file.annotations.push_back(std::move(*annotation));
      }
    });
  };
  // Segmentations are most of such a file and not needed here.
  for_each_record(text, where, {"segmentation"}, handle);
  bad.throw_if_any();
  if (file.images.empty()) {
    throw_error<FileError>(
        "[data] {} lists no images; wanted an annotation file in COCO's format with \"images\"",
        where);
  }
  return file;
}

using ImageIndex = std::unordered_map<std::int64_t, std::int64_t>;

ImageIndex index_images(const PersonSet& set) {
  ImageIndex index;
  for (std::size_t i = 0; i < set.images.size(); ++i) {
    if (!index.emplace(set.images[i].id, static_cast<std::int64_t>(i)).second) {
      throw_error<FileError>("[data] {} lists image {} twice", set.where, set.images[i].id);
    }
  }
  return index;
}

void add_people(PersonSet& set, CocoFile& file, const ReadOptions& options) {
  const ImageIndex index = index_images(set);
  const std::int64_t person_category = file.person_category.value_or(1);
  BadRecords bad;
  for (Annotation& annotation : file.annotations) {
    bad.run([&] {
      const auto image = index.find(annotation.image_id);
      PersonRecord& person = annotation.person;
      if (image == index.end()) {
        throw_error<FileError>(
            "[data] {}: annotation {}: image_id {} is not among the {} images of the file",
            set.where, person.annotation_id, annotation.image_id, set.images.size());
      }
      if (annotation.category_id != person_category) return;
      const ImageEntry& entry = set.images[static_cast<std::size_t>(image->second)];
      if (!clean_box(person.box_image, entry.width, entry.height, person.area)) return;
      person.image_index = image->second;
      person.region = box_to_center_scale(person.box_image, options.aspect, options.padding);
      if (!options.select || is_selected(person)) set.people.push_back(std::move(person));
    });
  }
  bad.throw_if_any();
  std::stable_sort(
      set.people.begin(), set.people.end(),
      [](const PersonRecord& a, const PersonRecord& b) { return a.image_index < b.image_index; });
}

}  // namespace

bool clean_box(BoxXywh& box, int image_width, int image_height, double area) {
  const double x1 = std::max(0.0, box.x);
  const double y1 = std::max(0.0, box.y);
  const double x2 = std::min(image_width - 1.0, x1 + std::max(0.0, box.width - 1));
  const double y2 = std::min(image_height - 1.0, y1 + std::max(0.0, box.height - 1));
  if (!(area > 0 && x2 >= x1 && y2 >= y1)) return false;
  box = {x1, y1, x2 - x1, y2 - y1};
  return true;
}

PersonSet parse_coco_people(std::string_view json_text, const std::string& where,
                            const ReadOptions& options) {
  PersonSet set{.where = where, .num_keypoints = options.num_keypoints, .images = {}, .people = {}};
  CocoFile file = parse_file(json_text, where, options);
  set.images = std::move(file.images);
  add_people(set, file, options);
  if (set.people.empty() && options.require_people) {
    throw_error<FileError>(
        "[data] {} holds no person with labelled keypoints ({} images); wanted at least one, or, "
        "for "
        "a test set without labels, a detector's boxes (boxes, --boxes)",
        where, set.images.size());
  }
  return set;
}

PersonSet read_coco_people(const std::filesystem::path& path, const ReadOptions& options) {
  return parse_coco_people(io::read_file(path), path.string(), options);
}

void parse_detections(PersonSet& set, std::string_view json_text, const std::string& where,
                      const ReadOptions& options, double min_score) {
  const ImageIndex index = index_images(set);
  std::vector<PersonRecord> people;
  std::int64_t num_records = 0;
  BadRecords bad;
  const auto handle = [&](std::string_view list, std::int64_t position, const Json& record) {
    if (!list.empty()) return;
    ++num_records;
    bad.run([&] {
      const RecordFields fields(record, fmt::format("{}: detection {}", where, position));
      if (fields.integer("category_id") != 1) return;
      PersonRecord person;
      person.score = fields.number("score");
      person.box_image = box_of(fields);
      if (person.score < min_score) return;
      const auto image = index.find(fields.integer("image_id"));
      if (image == index.end()) {
        fields.fail("image_id",
                    "one of the " + std::to_string(set.images.size()) + " images of " + set.where);
      }
      person.image_index = image->second;
      person.annotation_id = position;
      person.region = box_to_center_scale(person.box_image, options.aspect, options.padding);
      person.joints.assign(static_cast<std::size_t>(set.num_keypoints), Joint{{0, 0}, 1});
      people.push_back(std::move(person));
    });
  };
  for_each_record(json_text, where, {"segmentation"}, handle);
  bad.throw_if_any();
  if (people.empty()) {
    throw_error<FileError>(
        "[data] {} holds no person box of score {} or more ({} records); wanted a list of "
        "{{category_id, image_id, bbox, score}}",
        where, min_score, num_records);
  }
  set.people = std::move(people);
  set.labelled = false;
}

void use_detections(PersonSet& set, const std::filesystem::path& path, const ReadOptions& options,
                    double min_score) {
  parse_detections(set, io::read_file(path), path.string(), options, min_score);
}

}  // namespace akimbo::datasets
