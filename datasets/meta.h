// Where skeletons come from: the files of datasets/meta, which the build puts into the program, or
// a file of the user's own.
#pragma once

#include <string>
#include <vector>

#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

// Names of the skeletons that the program carries: "coco", "lspet", ...
[[nodiscard]] std::vector<std::string> skeleton_names();

// A name from skeleton_names(), or the path of a JSON file (anything that ends in ".json"). Throws
// ConfigError with the nearest known name, FileError for a bad file.
[[nodiscard]] Skeleton skeleton_by_name(const std::string& name_or_path);

}  // namespace akimbo::datasets
