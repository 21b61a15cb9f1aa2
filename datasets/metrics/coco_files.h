// The two files that the COCO keypoint evaluator compares, as flat arrays: labelled people and
// predicted poses. Reading checks every record and names the one that is wrong.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace akimbo::datasets {

// What the evaluator needs of an annotation file, in file order.
struct CocoLabels {
  struct Person {
    std::int64_t id = 0;
    std::int64_t image_id = 0;
    std::int64_t category_id = 1;
    double area = 0.0;  // of the segmentation, px^2
    std::array<double, 4> box_xywh{};
    bool is_crowd = false;
    bool has_keypoints = false;  // num_keypoints > 0
  };
  int num_keypoints = 0;                   // K
  bool labelled = true;                    // false: a test set's file, without "annotations"
  std::vector<std::int64_t> image_ids;     // as listed
  std::vector<double> crowd_indices;       // of the images, where asked for
  std::vector<std::int64_t> category_ids;  // as listed
  std::vector<Person> people;              // [P]
  std::vector<double> keypoints;           // [P, K, 3] x, y, visibility
};

struct CocoResults {
  struct Pose {
    std::int64_t image_id = 0;
    std::int64_t category_id = 1;
    double score = 0.0;
    double area = 0.0;  // of the box if the file gives boxes, else of the extent of the keypoints
  };
  int num_keypoints = 0;
  std::vector<Pose> poses;        // [R]
  std::vector<double> keypoints;  // [R, K, 3] x, y, score

  // Adds a pose whose area is the extent of its keypoints [K, 3].
  void add(std::int64_t image_id, double score, const float* keypoints_image, int count);
};

struct LabelOptions {
  bool accept_unlabelled = false;  // a file of images alone is a test set, not an error
  // Above 0: areas are this share of the box, whatever the file says. 0: the file's "area".
  double box_area_share = 0;
  bool crowd_indices = false;  // every image has a "crowdIndex" (CrowdPose)
};

// Throw FileError with file and record: wrong types, a keypoint list that is not 3 * num_keypoints
// long, negative or NaN numbers, an id twice, an image that is not listed.
[[nodiscard]] CocoLabels read_coco_labels(const std::string& path, int num_keypoints,
                                          const LabelOptions& options = {});
[[nodiscard]] CocoLabels parse_coco_labels(std::string_view json_text, int num_keypoints,
                                           const std::string& where,
                                           const LabelOptions& options = {});
[[nodiscard]] CocoResults read_coco_results(const std::string& path, int num_keypoints);
[[nodiscard]] CocoResults parse_coco_results(std::string_view json_text, int num_keypoints,
                                             const std::string& where);

}  // namespace akimbo::datasets
