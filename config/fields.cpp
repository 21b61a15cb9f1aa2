#include "config/fields.h"

#include <cmath>
#include <limits>

#include "engine/core/text.h"

namespace akimbo::detail {

namespace {

[[noreturn]] void throw_type(const Json& json, const std::string& path, const char* wanted) {
  std::string given = json.dump();
  if (given.size() > 60) given = given.substr(0, 57) + "...";
  throw_error<ConfigError>("[config] {} is {} ({}), wanted {}", path, given, json.type_name(),
                           wanted);
}

std::int64_t whole_number(const Json& json, const std::string& path) {
  if (json.is_number_integer()) {
    if (json.is_number_unsigned() &&
        json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
      throw_type(json, path, "a whole number below 2^63");
    }
    return json.get<std::int64_t>();
  }
  throw_type(json, path, "a whole number");
}

}  // namespace

void read_value(const Json& json, const std::string& path, bool& value) {
  if (!json.is_boolean()) throw_type(json, path, "true or false");
  value = json.get<bool>();
}

void read_value(const Json& json, const std::string& path, int& value) {
  const std::int64_t number = whole_number(json, path);
  if (number < INT32_MIN || number > INT32_MAX) {
    throw_type(json, path, "a whole number of at most 32 bits");
  }
  value = static_cast<int>(number);
}

void read_value(const Json& json, const std::string& path, std::uint64_t& value) {
  const std::int64_t number = whole_number(json, path);
  if (number < 0) throw_type(json, path, "a whole number of 0 or more");
  value = static_cast<std::uint64_t>(number);
}

void read_value(const Json& json, const std::string& path, double& value) {
  if (!json.is_number()) throw_type(json, path, "a number");
  value = json.get<double>();
  if (!std::isfinite(value)) throw_type(json, path, "a finite number");
}

void read_value(const Json& json, const std::string& path, std::string& value) {
  if (!json.is_string()) throw_type(json, path, "a text");
  value = json.get<std::string>();
}

void read_value(const Json& json, const std::string& path, PixelSize& value) {
  const char* wanted = "[width, height] in pixels, both above 0";
  if (!json.is_array() || json.size() != 2) throw_type(json, path, wanted);
  read_value(json[0], path + "[0]", value.width);
  read_value(json[1], path + "[1]", value.height);
  if (value.width <= 0 || value.height <= 0 || value.width > 8192 || value.height > 8192) {
    throw_type(json, path, wanted);
  }
}

void read_value(const Json& json, const std::string& path, std::array<double, 3>& value) {
  if (!json.is_array() || json.size() != 3) throw_type(json, path, "a list of 3 numbers");
  for (std::size_t i = 0; i < 3; ++i) read_value(json[i], fmt::format("{}[{}]", path, i), value[i]);
}

void read_value(const Json& json, const std::string& path, std::vector<int>& value) {
  if (!json.is_array()) throw_type(json, path, "a list of whole numbers");
  value.assign(json.size(), 0);
  for (std::size_t i = 0; i < json.size(); ++i) {
    read_value(json[i], fmt::format("{}[{}]", path, i), value[i]);
  }
}

void read_value(const Json& json, const std::string&, Json& value) { value = json; }

void write_value(Json& json, const PixelSize& value) { json = {value.width, value.height}; }

std::string join_path(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

void check_is_section(const Json& json, const std::string& path) {
  if (!json.is_object()) {
    throw_type(json, path.empty() ? "the config" : path, "an object of settings {...}");
  }
}

void check_no_unknown_key(const Json& json, const std::string& path,
                          const std::vector<std::string>& known) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string nearest = nearest_name(key, known);
    const std::string hint = nearest.empty()
                                 ? fmt::format("known are {}", fmt::join(known, ", "))
                                 : fmt::format("did you mean {}?", join_path(path, nearest));
    throw_error<ConfigError>("[config] unknown key {}; {}", join_path(path, key), hint);
  }
}

}  // namespace akimbo::detail
