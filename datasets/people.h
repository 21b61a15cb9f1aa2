// Labelled or detected people of a set of pictures: what readers give and loaders take, one record
// per person.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/pose/affine.h"

namespace akimbo::datasets {

struct ImageEntry {
  std::int64_t id = 0;
  std::string name;  // within the folder or archive of pictures
  int width = 0;     // 0 where the annotations do not say it
  int height = 0;
};

struct Joint {
  Point image;        // pixels of the picture
  float visible = 0;  // 1: labelled, seen or hidden; 0: not labelled
};

struct PersonRecord {
  std::int64_t image_index = 0;    // into PersonSet::images
  std::int64_t annotation_id = 0;  // of a detection: its position in the file
  BoxXywh box_image;
  CenterScale region;         // the box grown to the input's aspect and padded
  double score = 1;           // of the detector; 1 for annotated boxes
  double area = 0;            // of the segmentation, px^2; 0 for detections
  std::vector<Joint> joints;  // [K]
};

struct PersonSet {
  std::string where;  // the file, for messages
  int num_keypoints = 0;
  std::vector<ImageEntry> images;  // in file order
  // COCO's format: grouped by picture, in file order within one. MPII's: in file order.
  std::vector<PersonRecord> people;
  // False when joints are placeholders: boxes of a detector, test sets.
  bool labelled = true;
};

// What a reader must know of the network and of the format.
struct ReadOptions {
  int num_keypoints = 17;       // of the skeleton; a file with another number is refused
  double aspect = 192.0 / 256;  // of the network's input; boxes are grown to it
  double padding = 1.25;        // factor on the grown box
  bool select = false;          // SELECT_DATA of the references: only people who pass is_selected
  bool require_people = true;   // false where boxes come from a detector
  // Above 0: the area of a person is this share of the box, as data sets say it that have no
  // segmentations (CrowdPose: 0.53). 0: the file's "area".
  double box_area_share = 0;
};

// SELECT_DATA: whether the visible joints lie around the middle of the region as their number would
// let expect. As published for sixteen keypoints, whatever their number is.
[[nodiscard]] bool is_selected(const PersonRecord& person);

}  // namespace akimbo::datasets
