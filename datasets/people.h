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
  int width = 0;
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
  std::vector<ImageEntry> images;    // in file order
  std::vector<PersonRecord> people;  // grouped by picture, in file order within one
};

}  // namespace akimbo::datasets
