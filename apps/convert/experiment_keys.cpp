#include "apps/convert/experiment_keys.h"

#include <fmt/ranges.h>

#include <limits>

#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

// Paths of everything that is no map.
void collect(const Json& json, const std::string& path, std::vector<std::string>& paths) {
  if (!json.is_object()) {
    paths.push_back(path);
    return;
  }
  for (const auto& [key, value] : json.items()) {
    collect(value, path.empty() ? key : path + "." + key, paths);
  }
}

}  // namespace

ExperimentKeys::ExperimentKeys(Json root, std::string where)
    : root_(std::move(root)), where_(std::move(where)) {
  if (!root_.is_object() || root_.empty()) {
    throw_error<FileError>("[yaml] {} holds no keys, so it is no experiment file", where_);
  }
}

const Json* ExperimentKeys::find(const std::string& path) const {
  const Json* at = &root_;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(path.substr(begin, end - begin));
    if (found == at->end()) return nullptr;
    at = &*found;
    begin = end + 1;
  }
  return at->is_null() ? nullptr : at;
}

const Json* ExperimentKeys::take(const std::string& path) {
  seen_.insert(path);
  return find(path);
}

bool ExperimentKeys::has(const std::string& path) const { return find(path) != nullptr; }

bool ExperimentKeys::skip(const std::string& path) { return take(path) != nullptr; }

void ExperimentKeys::fail(const std::string& path, const std::string& wanted) const {
  const Json* value = find(path);
  throw_error<ConfigError>("[yaml] {}: {} is {}, wanted {}", where_, path,
                           value ? value->dump() : "absent", wanted);
}

int ExperimentKeys::whole(const Json& value, const std::string& path) const {
  if (!value.is_number_integer()) fail(path, "whole numbers");
  const auto number = value.get<std::int64_t>();
  if (number > std::numeric_limits<int>::max() || number < std::numeric_limits<int>::min()) {
    fail(path, "smaller numbers");
  }
  return static_cast<int>(number);
}

double ExperimentKeys::number(const std::string& path, double fallback) {
  const Json* value = take(path);
  if (!value) return fallback;
  if (!value->is_number()) fail(path, "a number");
  return value->get<double>();
}

int ExperimentKeys::integer(const std::string& path, int fallback) {
  const Json* value = take(path);
  return value ? whole(*value, path) : fallback;
}

bool ExperimentKeys::boolean(const std::string& path, bool fallback) {
  const Json* value = take(path);
  if (!value) return fallback;
  if (!value->is_boolean()) fail(path, "true or false");
  return value->get<bool>();
}

std::string ExperimentKeys::text(const std::string& path, const std::string& fallback) {
  const Json* value = take(path);
  if (!value) return fallback;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_structured()) fail(path, "a text");
  return value->dump();
}

std::vector<int> ExperimentKeys::integers(const std::string& path, std::vector<int> fallback) {
  const Json* value = take(path);
  if (!value) return fallback;
  if (!value->is_array()) return {whole(*value, path)};
  std::vector<int> out;
  for (const Json& item : *value) out.push_back(whole(item, path));
  return out;
}

Json ExperimentKeys::size(const std::string& path, std::vector<int> fallback) {
  std::vector<int> sides = integers(path, std::move(fallback));
  if (sides.size() == 1) sides.push_back(sides[0]);
  if (sides.size() != 2) fail(path, "[width, height]");
  return sides;
}

std::vector<std::string> ExperimentKeys::left_over() const {
  std::vector<std::string> paths;
  collect(root_, "", paths);
  std::erase_if(paths, [&](const std::string& path) { return seen_.contains(path); });
  return paths;
}

}  // namespace akimbo::convert
