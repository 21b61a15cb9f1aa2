// JSON files. The only header that includes the JSON library.
#pragma once

#include <filesystem>
#include <string_view>

#include <nlohmann/json.hpp>

namespace akimbo {

using Json = nlohmann::json;

namespace io {

// Throws FileError with path, byte offset and reason when the file is missing or is not JSON.
[[nodiscard]] Json read_json(const std::filesystem::path& path);
[[nodiscard]] Json parse_json(std::string_view text, const std::string& where);
// Pretty-printed (indent 1) and atomic; indent -1 writes one line.
void write_json(const std::filesystem::path& path, const Json& json, int indent = 1);

}  // namespace io
}  // namespace akimbo
