#include "datasets/readers/mpii_format.h"

#include <cmath>
#include <unordered_map>

#include "datasets/readers/json_records.h"
#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::datasets {
namespace {

constexpr double kAreaShare = 0.53;
constexpr double kFirstPixel = 1;  // what the file calls the first column and row

CenterScale region_of(const RecordFields& fields, double padding, BoxXywh& box) {
  const std::vector<double> center = fields.numbers("center", 2);
  const double scale = fields.number("scale");
  if (!(scale > 0 && scale < 1e5)) {
    fields.fail("scale", "the person's height / 200 px, a number above 0");
  }
  CenterScale region{{center[0], center[1]}, scale, scale, false};
  if (region.center.x != -1) {
    region.center.y += 15 * scale;
    region.scale_x *= padding;
    region.scale_y *= padding;
  }
  region.center.x -= kFirstPixel;
  region.center.y -= kFirstPixel;
  const double side = scale * kPixelStd;
  box = {region.center.x - side / 2, region.center.y - side / 2, side, side};
  return region;
}

[[noreturn]] void wrong_count(const RecordFields& fields, const char* key, std::size_t found,
                              std::size_t wanted) {
  throw_error<FileError>(
      "[data] {}: {} holds {} entries, but the skeleton has {} keypoints; choose the skeleton that "
      "the file was labelled with (mpii has 16)",
      fields.name(), key, found, wanted);
}

void read_joints(const RecordFields& fields, const Json& record, std::vector<Joint>& joints) {
  for (const char* key : {"joints", "joints_vis"}) {
    const auto list = record.find(key);
    if (list == record.end() || !list->is_array()) fields.fail(key, "a list");
    if (list->size() != joints.size()) wrong_count(fields, key, list->size(), joints.size());
  }
  const std::vector<double> visible = fields.numbers("joints_vis", joints.size());
  for (std::size_t k = 0; k < joints.size(); ++k) {
    const Json& point = record["joints"][k];
    const bool two = point.is_array() && point.size() == 2 && point[0].is_number() &&
                     point[1].is_number() && std::isfinite(point[0].get<double>()) &&
                     std::isfinite(point[1].get<double>());
    if (!two) fields.fail("joints", "pairs of numbers [x, y]");
    if (visible[k] != 0 && visible[k] != 1) fields.fail("joints_vis", "a list of 0 and 1");
    joints[k].image = {point[0].get<double>() - kFirstPixel, point[1].get<double>() - kFirstPixel};
    joints[k].visible = static_cast<float>(visible[k]);
  }
}

class MpiiReader {
 public:
  MpiiReader(const std::string& where, const ReadOptions& options) : options_(options) {
    set_.where = where;
    set_.num_keypoints = options.num_keypoints;
  }

  void add(std::int64_t index, const Json& record) {
    const RecordFields fields(record, fmt::format("{}: record {}", set_.where, index));
    PersonRecord person;
    person.annotation_id = index;
    person.image_index = image_index(fields.text("image"));
    person.region = region_of(fields, options_.padding, person.box_image);
    person.area = kAreaShare * person.box_image.width * person.box_image.height;
    person.joints.resize(static_cast<std::size_t>(options_.num_keypoints));
    const bool has_joints = fields.has("joints");
    if (has_joints) read_joints(fields, record, person.joints);
    if (set_.people.empty() && num_left_out_ == 0) set_.labelled = has_joints;
    if (set_.labelled != has_joints) {
      fields.fail("joints", set_.labelled ? "joints, as the records before have"
                                          : "no joints, as the records before have none");
    }
    if (options_.select && has_joints && !is_selected(person)) {
      ++num_left_out_;
      return;
    }
    set_.people.push_back(std::move(person));
  }

  PersonSet finish() {
    if (set_.people.empty()) {
      throw_error<FileError>(
          "[data] {} holds no person; wanted a list of {{image, center, scale, joints, "
          "joints_vis}}, as Simple Baselines publishes it",
          set_.where);
    }
    return std::move(set_);
  }

 private:
  std::int64_t image_index(const std::string& name) {
    if (name.empty()) throw_error<FileError>("[data] {}: a record has no image name", set_.where);
    const auto next = static_cast<std::int64_t>(set_.images.size());
    const auto [it, is_new] = index_of_.emplace(name, next);
    // Pictures have no ids; their place in the list is one.
    if (is_new) set_.images.push_back({.id = next, .name = name});
    return it->second;
  }

  const ReadOptions& options_;
  PersonSet set_;
  std::unordered_map<std::string, std::int64_t> index_of_;
  std::int64_t num_left_out_ = 0;
};

}  // namespace

PersonSet parse_mpii_people(std::string_view json_text, const std::string& where,
                            const ReadOptions& options) {
  MpiiReader reader(where, options);
  BadRecords bad;
  for_each_record(json_text, where, {},
                  [&](std::string_view list, std::int64_t index, const Json& record) {
                    if (list.empty()) bad.run([&] { reader.add(index, record); });
                  });
  bad.throw_if_any();
  return reader.finish();
}

PersonSet read_mpii_people(const std::filesystem::path& path, const ReadOptions& options) {
  return parse_mpii_people(io::read_file(path), path.string(), options);
}

}  // namespace akimbo::datasets
