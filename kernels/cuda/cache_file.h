// Files that kernels keep between runs of the program, one per kind and device.
#pragma once

#include <filesystem>
#include <string>

namespace akimbo::kernels::cuda {

// <kind>_<device name>.json in ~/.cache/akimbo (XDG_CACHE_HOME/akimbo); empty without a home.
[[nodiscard]] std::filesystem::path cache_file(const std::string& kind, int device);

// Through a temporary file, so that a reader never sees half of it. False where the folder cannot
// be made or written to.
bool replace_file(const std::filesystem::path& file, const std::string& text);

}  // namespace akimbo::kernels::cuda
