#include "apps/inspect/dataset_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <unordered_set>

#include "apps/inspect/mpii_annotations.h"
#include "apps/inspect/swap_suspects.h"
#include "datasets/readers/image_file.h"
#include "datasets/readers/zip_archive.h"
#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// Labels are rounded to a tenth or a hundredth of a pixel by their tools, and touch the border.
constexpr double kBorderPx = 1;

std::string base_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool is_finite_number(const Json& json) {
  return json.is_number() && std::isfinite(json.get<double>());
}

struct PictureFacts {
  double width = 0;  // 0: not stated
  double height = 0;
  std::int64_t num_annotations = 0;
};

// Walks one annotation file.
class AnnotationWalk {
 public:
  // `has_boxes`: areas and boxes are stated, not made up from a person's scale.
  AnnotationWalk(const Json& json, const std::string& file, const PictureIndex* pictures,
                 bool has_boxes)
      : json_(json), pictures_(pictures), has_boxes_(has_boxes) {
    report_.file = file;
  }

  AnnotationReport run() {
    read_categories();
    for (const Json& image : list("images")) read_image(image);
    for (const Json& annotation : list("annotations")) read_annotation(annotation);
    for (const auto& [id, facts] : images_) {
      report_.num_empty_images += facts.num_annotations == 0 ? 1 : 0;
    }
    return std::move(report_);
  }

 private:
  const Json& list(const char* key) {
    static const Json kEmpty = Json::array();
    const auto it = json_.find(key);
    if (it != json_.end() && it->is_array()) return *it;
    problem(fmt::format("\"{}\" is missing or no list", key), "");
    return kEmpty;
  }

  void problem(const std::string& what, const std::string& example) {
    report_.findings.problem(what, example);
  }

  // Texts and numbers alike, as the message shows them.
  static std::string id_of(const Json& record) {
    const auto it = record.is_object() ? record.find("id") : record.end();
    return it == record.end() || !record.is_object() ? "?" : it->dump().substr(0, 40);
  }

  void read_categories() {
    const auto categories = json_.find("categories");
    if (categories == json_.end() || !categories->is_array()) {
      return report_.findings.remark("no list of categories, so keypoints have no names", "");
    }
    for (const Json& category : *categories) {
      if (!category.is_object() || !category.contains("id")) {
        problem("category without id", id_of(category));
        continue;
      }
      category_ids_.insert(category.at("id").dump());
      const auto names = category.find("keypoints");
      if (names == category.end() || !names->is_array() || !report_.keypoint_names.empty())
        continue;
      for (const Json& name : *names) {
        report_.keypoint_names.push_back(name.is_string() ? name.get<std::string>() : "?");
      }
      const auto limbs = category.find("skeleton");
      swaps_ =
          SwapDetector(report_.keypoint_names, limbs == category.end() ? nullptr : &limbs.value());
    }
  }

  void read_image(const Json& image) {
    ++report_.num_images;
    if (!image.is_object() || !image.contains("id")) return problem("picture without id", "");
    is_crowdpose_ = is_crowdpose_ || image.contains("crowdIndex");
    PictureFacts facts;
    if (!image.contains("width") || !image.contains("height")) {
      report_.findings.remark("picture without width and height", id_of(image));
    } else if (!is_finite_number(image.at("width")) || !is_finite_number(image.at("height")) ||
               image.at("width") <= 0 || image.at("height") <= 0) {
      problem("picture whose width or height is no positive number", id_of(image));
    } else {
      facts.width = image.at("width").get<double>();
      facts.height = image.at("height").get<double>();
    }
    if (!images_.emplace(image.at("id").dump(), facts).second) {
      problem("picture id given twice", id_of(image));
    }
    const auto name = image.find("file_name");
    if (name == image.end() || !name->is_string()) {
      problem("picture without file_name", id_of(image));
    } else if (pictures_ && !pictures_->find(name->get<std::string>())) {
      problem("picture file is missing", name->get<std::string>());
    }
  }

  void read_annotation(const Json& annotation) {
    ++report_.num_annotations;
    if (!annotation.is_object()) return problem("annotation that is no object", "");
    const std::string id = id_of(annotation);
    if (!annotation.contains("id")) {
      report_.findings.remark("annotation without id", "");
    } else if (!annotation_ids_.insert(annotation.at("id").dump()).second) {
      problem("annotation id given twice", id);
    }
    const auto image_id = annotation.find("image_id");
    const auto image =
        image_id == annotation.end() ? images_.end() : images_.find(image_id->dump());
    if (image == images_.end()) {
      problem("annotation of a picture that is not listed", id);
    } else {
      ++image->second.num_annotations;
    }
    const auto category = annotation.find("category_id");
    if (category != annotation.end() && !category_ids_.empty() &&
        !category_ids_.contains(category->dump())) {
      problem("annotation of a category that is not listed", id);
    }
    const auto crowd = annotation.find("iscrowd");
    const bool is_crowd = crowd != annotation.end() && crowd->is_number() && *crowd != 0;
    report_.num_crowds += is_crowd ? 1 : 0;
    const PictureFacts facts = image == images_.end() ? PictureFacts{} : image->second;
    if (has_boxes_) read_area(annotation, id);
    read_box(annotation, id, facts);
    read_keypoints(annotation, id, facts);
  }

  void read_area(const Json& annotation, const std::string& id) {
    const auto area = annotation.find("area");
    if (area == annotation.end()) {
      report_.findings.remark("annotation without area, which OKS needs", id);
    } else if (!is_finite_number(*area) || *area < 0) {
      problem("area that is no number of at least 0", id);
    }
  }

  void read_box(const Json& annotation, const std::string& id, const PictureFacts& facts) {
    const auto box = annotation.find("bbox");
    if (box == annotation.end()) {
      return report_.findings.remark("annotation without box", id);
    }
    if (!box->is_array() || box->size() != 4 ||
        !std::all_of(box->begin(), box->end(), is_finite_number)) {
      return problem("box that is not four numbers (NaN, null or text)", id);
    }
    const double x = (*box)[0].get<double>(), y = (*box)[1].get<double>();
    const double w = (*box)[2].get<double>(), h = (*box)[3].get<double>();
    if (w <= 0 || h <= 0) return problem("box of no or negative size", id);
    if (facts.width <= 0 || !has_boxes_) return;
    if (x < -kBorderPx || y < -kBorderPx || x + w > facts.width + kBorderPx ||
        y + h > facts.height + kBorderPx) {
      problem("box that reaches outside its picture", id);
    }
  }

  void read_keypoints(const Json& annotation, const std::string& id, const PictureFacts& facts) {
    const auto keypoints = annotation.find("keypoints");
    if (keypoints == annotation.end()) return;
    const std::size_t wanted = report_.keypoint_names.size() * 3;
    if (!keypoints->is_array() || keypoints->size() % 3 != 0 ||
        (wanted > 0 && keypoints->size() != wanted)) {
      return problem(fmt::format("keypoints that are not {} numbers",
                                 wanted > 0 ? std::to_string(wanted) : "3 K"),
                     id);
    }
    if (!std::all_of(keypoints->begin(), keypoints->end(), is_finite_number)) {
      return problem("keypoint that is no number (NaN, null or text)", id);
    }
    std::int64_t num_labelled = 0;
    bool is_outside = false;
    for (std::size_t i = 0; i < keypoints->size(); i += 3) {
      const double x = (*keypoints)[i].get<double>();
      const double y = (*keypoints)[i + 1].get<double>();
      const double visibility = (*keypoints)[i + 2].get<double>();
      if (visibility != 0 && visibility != 1 && visibility != 2) {
        return problem("visibility that is not 0, 1 or 2", id);
      }
      if (visibility == 0) continue;
      ++num_labelled;
      report_.num_visible_keypoints += visibility == 2 ? 1 : 0;
      is_outside = is_outside || (facts.width > 0 &&
                                  (x < -kBorderPx || y < -kBorderPx ||
                                   x > facts.width + kBorderPx || y > facts.height + kBorderPx));
    }
    if (is_outside) problem("labelled keypoint outside its picture", id);
    if (swaps_.is_suspect(keypoints->get<std::vector<double>>(), size_of(annotation))) {
      report_.findings.remark("person whose left and right may be exchanged", id);
    }
    report_.num_labelled_keypoints += num_labelled;
    report_.num_with_keypoints += num_labelled > 0 ? 1 : 0;
    const auto stated = annotation.find("num_keypoints");
    if (stated == annotation.end() || (stated->is_number() && *stated == num_labelled)) return;
    if (is_crowdpose_) {
      return report_.findings.remark(
          "num_keypoints differs from the labelled keypoints (CrowdPose leaves out head and neck)",
          id);
    }
    problem("num_keypoints differs from the labelled keypoints", id);
  }

  // The root of the box's area in px; 0 without a box.
  static double size_of(const Json& annotation) {
    const auto box = annotation.find("bbox");
    if (box == annotation.end() || !box->is_array() || box->size() != 4 ||
        !std::all_of(box->begin(), box->end(), is_finite_number)) {
      return 0;
    }
    return std::sqrt(std::max((*box)[2].get<double>() * (*box)[3].get<double>(), 0.0));
  }

  const Json& json_;
  const PictureIndex* pictures_;
  bool has_boxes_;
  bool is_crowdpose_ = false;
  AnnotationReport report_;
  SwapDetector swaps_{{}, nullptr};  // knows no keypoint until a category names them
  std::unordered_map<std::string, PictureFacts> images_;
  std::unordered_set<std::string> annotation_ids_;
  std::unordered_set<std::string> category_ids_;
};

// Reads every listed picture that is there and compares its size with the stated one.
void decode_pictures(const Json& json, const PictureIndex& pictures, AnnotationReport& report) {
  const auto images = json.find("images");
  if (images == json.end() || !images->is_array()) return;
  for (const Json& image : *images) {
    const auto name = image.is_object() ? image.find("file_name") : image.end();
    if (!image.is_object() || name == image.end() || !name->is_string()) continue;
    const std::string* found = pictures.find(name->get<std::string>());
    if (!found) continue;
    try {
      const Image picture = pictures.decode(*found);
      const bool differs = (image.contains("width") && image.at("width") != picture.width) ||
                           (image.contains("height") && image.at("height") != picture.height);
      if (differs) report.findings.problem("picture of another size than stated", *found);
    } catch (const FileError&) {
      report.findings.problem("picture that cannot be decoded", *found);
    }
  }
}

std::optional<ImageSize> size_in(const std::string& bytes) {
  try {
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return read_image_size({first, bytes.size()}, "picture");
  } catch (const FileError&) {
    return std::nullopt;
  }
}

std::vector<fs::path> annotation_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& place : {folder, folder / "annotations"}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(place, ignored)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

PictureIndex::PictureIndex(const fs::path& folder) : folder_(folder) {
  constexpr int kMaxDepth = 8;  // links may lead back up
  constexpr auto kOptions = fs::directory_options::follow_directory_symlink |
                            fs::directory_options::skip_permission_denied;
  std::error_code code;
  fs::recursive_directory_iterator it(folder, kOptions, code);
  for (const fs::recursive_directory_iterator end; !code && it != end; it.increment(code)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    const std::string relative = it->path().lexically_relative(folder).generic_string();
    if (is_image_name(relative)) add(relative);
    if (it->path().extension() == ".zip") add_archive(it->path(), relative);
  }
}

// Members are named "set.zip/val/1.jpg".
void PictureIndex::add_archive(const fs::path& path, const std::string& relative_path) {
  const auto archive = std::make_shared<datasets::ZipArchive>(path);
  for (const std::string& member : archive->names()) {
    if (is_image_name(member)) add(relative_path + "/" + member);
  }
  archives_.emplace_back(relative_path + "/", archive);
}

std::optional<ImageSize> PictureIndex::size_of(const std::string& found) const {
  for (const auto& [prefix, archive] : archives_) {
    if (found.starts_with(prefix)) return size_in(archive->read(found.substr(prefix.size())));
  }
  // Nearly every header ends within this; sets of thousands of pictures are not to be read whole.
  std::string head(256 << 10, '\0');
  std::ifstream file(folder_ / found, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return size_in(head);
}

Image PictureIndex::decode(const std::string& found) const {
  for (const auto& [prefix, archive] : archives_) {
    if (!found.starts_with(prefix)) continue;
    const std::string bytes = archive->read(found.substr(prefix.size()));
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return decode_image({first, bytes.size()}, found);
  }
  return read_image(folder_ / found);
}

void PictureIndex::add(const std::string& relative_path) {
  by_base_name_[base_name(relative_path)].push_back(relative_path);
  ++num_pictures_;
}

const std::string* PictureIndex::find(const std::string& file_name) const {
  const auto it = by_base_name_.find(base_name(file_name));
  if (it == by_base_name_.end()) return nullptr;
  for (const std::string& path : it->second) {
    if (path == file_name || path.ends_with("/" + file_name)) return &path;
  }
  return nullptr;
}

std::int64_t DatasetReport::num_problems() const {
  std::int64_t count = 0;
  for (const AnnotationReport& report : annotations) count += report.findings.num_problems();
  return count;
}

bool looks_like_annotations(const Json& json) {
  return looks_like_mpii(json) ||
         (json.is_object() && json.contains("images") && json.contains("annotations"));
}

AnnotationReport inspect_annotations(const Json& json, const std::string& file,
                                     const PictureIndex* pictures) {
  if (!looks_like_mpii(json)) return AnnotationWalk(json, file, pictures, true).run();
  return AnnotationWalk(mpii_as_coco(json, pictures), file, pictures, false).run();
}

DatasetReport inspect_dataset(const fs::path& path, bool decode) {
  DatasetReport dataset;
  dataset.path = path.string();
  const bool is_folder = fs::is_directory(path);
  fs::path folder = is_folder ? path : path.parent_path();
  if (!is_folder && folder.filename() == "annotations") folder = folder.parent_path();
  if (folder.empty()) folder = ".";
  const PictureIndex pictures(folder);
  dataset.num_pictures = pictures.size();
  for (const fs::path& file : is_folder ? annotation_files(path) : std::vector<fs::path>{path}) {
    AnnotationReport report;
    try {
      const Json json = io::read_json(file);
      if (is_folder && !looks_like_annotations(json)) continue;  // detections, captions, configs
      report = inspect_annotations(json, file.string(), &pictures);
      if (decode) decode_pictures(json, pictures, report);
    } catch (const FileError& e) {
      report.file = file.string();
      report.findings.problem(e.what(), "");
    }
    dataset.annotations.push_back(std::move(report));
  }
  if (dataset.annotations.empty()) {
    throw_error<FileError>(
        "[inspect] {} holds no annotation file of COCO's format; it was looked for "
        "in the folder and in its \"annotations\"",
        path.string());
  }
  return dataset;
}

Json to_json(const DatasetReport& report) {
  Json files = Json::array();
  for (const AnnotationReport& a : report.annotations) {
    files.push_back({{"file", a.file},
                     {"images", a.num_images},
                     {"annotations", a.num_annotations},
                     {"crowds", a.num_crowds},
                     {"with_keypoints", a.num_with_keypoints},
                     {"labelled_keypoints", a.num_labelled_keypoints},
                     {"visible_keypoints", a.num_visible_keypoints},
                     {"empty_images", a.num_empty_images},
                     {"keypoint_names", a.keypoint_names},
                     {"findings", a.findings.json()}});
  }
  return {{"kind", "dataset"},
          {"path", report.path},
          {"pictures", report.num_pictures},
          {"annotations", files}};
}

std::string to_text(const DatasetReport& report) {
  std::string text =
      fmt::format("{}: data set, {} picture files\n", report.path, report.num_pictures);
  for (const AnnotationReport& a : report.annotations) {
    text += fmt::format(
        "{}: {} pictures ({} without people), {} annotations ({} with keypoints, {} crowds), {} "
        "labelled keypoints ({} visible)\n",
        a.file, a.num_images, a.num_empty_images, a.num_annotations, a.num_with_keypoints,
        a.num_crowds, a.num_labelled_keypoints, a.num_visible_keypoints);
    if (!a.keypoint_names.empty()) {
      text += fmt::format("  {} keypoints: {}\n", a.keypoint_names.size(),
                          fmt::join(a.keypoint_names, ", "));
    }
    text += a.findings.text();
  }
  return text;
}

}  // namespace akimbo::apps
