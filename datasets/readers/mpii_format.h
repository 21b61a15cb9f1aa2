// People of MPII Human Pose from the JSON files that Simple Baselines and HRNet publish for it
// (annot/{train,valid,trainval,test}.json): a list of {image, center, scale, joints, joints_vis}.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "datasets/people.h"

namespace akimbo::datasets {

// Every record, in file order, which is the order of the ground truth for scoring. As published:
// the centre moves down by 15 `scale`, the region is `padding` times the person's 200 `scale`
// square (neither when the centre's x is -1: unknown), and all coordinates, which the file counts
// from 1, become counted from 0. Numbers stay f64. Box: the square without padding; area: 0.53 of
// it, since the files have none. Of a test set (no record has joints) joints are placeholders.
//
// Throws FileError with file and record for whatever is wrong: types, counts, NaN, a scale that is
// not positive, joints in some records only, no record at all.
[[nodiscard]] PersonSet read_mpii_people(const std::filesystem::path& path,
                                         const ReadOptions& options);
[[nodiscard]] PersonSet parse_mpii_people(std::string_view json_text, const std::string& where,
                                          const ReadOptions& options);

}  // namespace akimbo::datasets
