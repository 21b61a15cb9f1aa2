// Which people to look at in which picture: boxes from a detections or an annotations file, or the
// whole picture.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/image.h"
#include "engine/io/json.h"
#include "engine/pose/affine.h"

namespace akimbo::apps {

struct ScoredBox {
  BoxXywh box;
  double score = 1;
};

class BoxSource {
 public:
  // Either may be empty. `boxes`: a list of {image_id or file_name, bbox, score, category_id};
  // category 1 is a person. In videos, image_id is the number of the frame, from 0; or file_name is
  // the video's, and "frame" the number. `annotations`: COCO; gives image ids by file name and,
  // without `boxes`, the boxes of its people. Throws FileError with file and record.
  BoxSource(const std::string& boxes, const std::string& annotations, double box_threshold);

  // Neither file was given: every picture is one person's.
  [[nodiscard]] bool is_whole_picture() const { return whole_picture_; }
  // The id that results carry: of the annotations, else the digits that end the file's name, else a
  // number counted up.
  [[nodiscard]] std::int64_t image_id(const std::filesystem::path& picture);
  // The whole picture when neither file was given.
  [[nodiscard]] std::vector<ScoredBox> boxes_of(const std::filesystem::path& picture,
                                                const Image& image);
  [[nodiscard]] std::vector<ScoredBox> boxes_of_frame(const std::filesystem::path& video,
                                                      std::int64_t frame, const Image& image);

 private:
  void read_annotations(const std::string& path, bool with_boxes);
  void read_boxes(const std::string& path, double threshold);

  bool whole_picture_;
  std::map<std::string, std::int64_t> id_of_name_;
  std::map<std::int64_t, std::vector<ScoredBox>> by_id_;
  std::map<std::string, std::vector<ScoredBox>> by_name_;
  std::map<std::pair<std::string, std::int64_t>, std::vector<ScoredBox>> by_frame_;
  std::int64_t next_id_ = 1;
};

}  // namespace akimbo::apps
