// What a data set in COCO's or MPII's keypoint format holds, and what is wrong with it. Reads on
// where the training reader stops at the first wrong record, so that one run shows everything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/inspect/findings.h"
#include "datasets/readers/image_file.h"
#include "engine/io/image.h"
#include "engine/io/json.h"

namespace akimbo::datasets {
class ZipArchive;
}

namespace akimbo::apps {

// Every picture below a folder, zip archives included, by name.
class PictureIndex {
 public:
  explicit PictureIndex(const std::filesystem::path& folder);
  // The picture that an annotation's file_name means: below any subfolder. Null when there is none.
  [[nodiscard]] const std::string* find(const std::string& file_name) const;
  [[nodiscard]] std::size_t size() const { return num_pictures_; }
  // The picture that find() gave. Throws FileError.
  [[nodiscard]] Image decode(const std::string& found) const;
  // Its size by its header; nothing where that cannot be read.
  [[nodiscard]] std::optional<ImageSize> size_of(const std::string& found) const;

 private:
  void add_archive(const std::filesystem::path& path, const std::string& relative_path);
  void add(const std::string& relative_path);
  std::filesystem::path folder_;
  std::unordered_map<std::string, std::vector<std::string>> by_base_name_;
  // By the beginning of their members' names.
  std::vector<std::pair<std::string, std::shared_ptr<datasets::ZipArchive>>> archives_;
  std::size_t num_pictures_ = 0;
};

struct AnnotationReport {
  std::string file;
  std::int64_t num_images = 0;
  std::int64_t num_annotations = 0;
  std::int64_t num_crowds = 0;
  std::int64_t num_with_keypoints = 0;
  std::int64_t num_labelled_keypoints = 0;  // visibility above 0
  std::int64_t num_visible_keypoints = 0;   // visibility 2
  std::int64_t num_empty_images = 0;        // without annotation
  std::vector<std::string> keypoint_names;  // of the first category that has them
  Findings findings;
};

struct DatasetReport {
  std::string path;
  std::size_t num_pictures = 0;  // files found
  std::vector<AnnotationReport> annotations;

  [[nodiscard]] std::int64_t num_problems() const;
};

// True for JSON that has "images" and "annotations", and for the lists of MPII.
[[nodiscard]] bool looks_like_annotations(const Json& json);

// One annotation file, or every one in a folder and its "annotations". With `decode`, every picture
// is read and its size compared. Throws FileError when there is none.
[[nodiscard]] DatasetReport inspect_dataset(const std::filesystem::path& path, bool decode = false);

// The records of one parsed file; `pictures` may be null (no check for files).
[[nodiscard]] AnnotationReport inspect_annotations(const Json& json, const std::string& file,
                                                   const PictureIndex* pictures);

[[nodiscard]] Json to_json(const DatasetReport& report);
[[nodiscard]] std::string to_text(const DatasetReport& report);

}  // namespace akimbo::apps
