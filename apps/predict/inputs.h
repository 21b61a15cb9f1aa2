// What the command line's INPUT arguments mean: pictures and videos, given by name, by folder, or
// by a pattern.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace akimbo::apps {

struct PredictInputs {
  std::vector<std::filesystem::path> pictures, videos;
};

// Files are taken as given: videos by their ending, all others as pictures. A folder stands for
// the pictures and videos in it, a pattern (* ? [..] {a,b} ~, for shells that leave it alone) for
// what it matches; both sorted by name. Throws FileError for a path that is not there, a folder
// with nothing in it, or a pattern that matches nothing.
[[nodiscard]] PredictInputs list_inputs(const std::vector<std::string>& inputs);

}  // namespace akimbo::apps
