// YAML files as JSON. yaml.cpp is the only source that includes the YAML library.
#pragma once

#include <filesystem>

#include "engine/io/json.h"

namespace akimbo::convert {

// The first document. Unquoted scalars become numbers, booleans and null as Python's YAML reads
// them (true, yes, on; also 1e-3, which it would leave a text); everything else texts. Throws
// FileError with file, line and column for what is no YAML, keys that are no texts or come twice,
// and files beyond any settings' size: 1 MiB, 10,000 values (aliases counted each time), 32 levels.
[[nodiscard]] Json read_yaml(const std::filesystem::path& path);

}  // namespace akimbo::convert
