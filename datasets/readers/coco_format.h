// People from annotation files in COCO's keypoint format, with any number of keypoints, and from
// detectors' box files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "datasets/people.h"

namespace akimbo::datasets {

// Every annotated person of the file with at least one labelled keypoint, as the references read
// them: crowd regions, empty areas and boxes outside their picture left out, boxes clipped to the
// picture (their width one less, and not reduced by what is cut off at the left or top). Throws
// FileError with file and record id for whatever is wrong: types, numbers, unknown pictures, the
// number of keypoints, no person at all.
[[nodiscard]] PersonSet read_coco_people(const std::filesystem::path& path,
                                         const ReadOptions& options);
[[nodiscard]] PersonSet parse_coco_people(std::string_view json_text, const std::string& where,
                                          const ReadOptions& options);

// Replaces the people by the boxes of a detector's file (category 1, score at least `min_score`,
// file order, boxes as they are). Their joints are at (0, 0) and count as visible, as in the
// references: losses on them mean nothing. A box on a picture that the set does not list is an
// error.
void use_detections(PersonSet& set, const std::filesystem::path& path, const ReadOptions& options,
                    double min_score = 0);
void parse_detections(PersonSet& set, std::string_view json_text, const std::string& where,
                      const ReadOptions& options, double min_score = 0);

// The box of an annotation as training uses it; false when it is to be dropped.
[[nodiscard]] bool clean_box(BoxXywh& box, int image_width, int image_height, double area);

}  // namespace akimbo::datasets
