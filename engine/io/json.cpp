#include "engine/io/json.h"

#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::io {

Json parse_json(std::string_view text, const std::string& where) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    throw_error<FileError>("[json] {} is no valid JSON at byte {} of {}: {}", where, e.byte,
                           text.size(), e.what());
  } catch (const Json::exception& e) {  // a number beyond the range of double
    throw_error<FileError>("[json] {} is no valid JSON: {}", where, e.what());
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

void write_json(const std::filesystem::path& path, const Json& json, int indent) {
  write_file_atomic(path, json.dump(indent) + "\n");
}

}  // namespace akimbo::io
