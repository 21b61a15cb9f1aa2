#include "apps/inspect/mpii_annotations.h"

#include <unordered_map>

#include "datasets/meta.h"

namespace akimbo::apps {

namespace {

const Json& at(const Json& record, const char* key) {
  static const Json kNone;
  const auto found = record.is_object() ? record.find(key) : record.end();
  return record.is_object() && found != record.end() ? *found : kNone;
}

// What is no pair, no number or no flag stays as it is, for the walk to find.
Json keypoints_of(const Json& record) {
  const Json &joints = at(record, "joints"), &visible = at(record, "joints_vis");
  if (!joints.is_array() || !visible.is_array() || joints.size() != visible.size()) return "none";
  Json keypoints = Json::array();
  for (std::size_t k = 0; k < joints.size(); ++k) {
    const bool is_pair = joints[k].is_array() && joints[k].size() == 2;
    for (const std::size_t axis : {0, 1}) {
      const Json value = is_pair ? joints[k][axis] : Json();
      // The files count pixels from 1.
      keypoints.push_back(value.is_number() ? Json(value.get<double>() - 1) : value);
    }
    keypoints.push_back(visible[k] == 1 ? Json(2) : visible[k]);
  }
  return keypoints;
}

Json box_of(const Json& record) {
  const Json &center = at(record, "center"), &scale = at(record, "scale");
  const bool is_good = center.is_array() && center.size() == 2 && center[0].is_number() &&
                       center[1].is_number() && scale.is_number();
  if (!is_good) return "none";
  const double side = 200 * scale.get<double>();
  return {center[0].get<double>() - side / 2, center[1].get<double>() - side / 2, side, side};
}

Json image_of(const Json& name, std::size_t id, const PictureIndex* pictures) {
  Json image = {{"id", id}, {"file_name", name}};
  if (!pictures || !name.is_string()) return image;
  if (const std::string* found = pictures->find(name.get<std::string>())) {
    if (const auto size = pictures->size_of(*found)) {
      image["width"] = size->width;
      image["height"] = size->height;
    }
  }
  return image;
}

}  // namespace

bool looks_like_mpii(const Json& json) {
  return json.is_array() && !json.empty() && json[0].is_object() && json[0].contains("image") &&
         json[0].contains("center") && json[0].contains("scale");
}

Json mpii_as_coco(const Json& records, const PictureIndex* pictures) {
  const Skeleton skeleton = datasets::skeleton_by_name("mpii");
  Json coco = {
      {"images", Json::array()},
      {"annotations", Json::array()},
      {"categories", {{{"id", 1}, {"name", "person"}, {"keypoints", skeleton.keypoints}}}}};
  std::unordered_map<std::string, std::size_t> id_of_name;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Json& name = at(records[i], "image");
    const auto [it, is_new] = id_of_name.emplace(name.dump(), id_of_name.size());
    if (is_new) coco["images"].push_back(image_of(name, it->second, pictures));
    Json annotation = {{"id", i}, {"image_id", it->second}, {"bbox", box_of(records[i])}};
    if (records[i].is_object() && records[i].contains("joints")) {
      annotation["keypoints"] = keypoints_of(records[i]);
    }
    coco["annotations"].push_back(std::move(annotation));
  }
  return coco;
}

}  // namespace akimbo::apps
