#include "apps/config/load.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "engine/core/text.h"
#include "engine/io/file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

constexpr int kMaxExtends = 3;  // a shipped config is two deep at most, and a user extends it

// Beside an installed program (PREFIX/bin, PREFIX/share), then where it was built from;
// AKIMBO_CONFIGS goes before both.
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders;
  if (const char* given = std::getenv("AKIMBO_CONFIGS")) folders.emplace_back(given);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share/akimbo/configs");
  folders.emplace_back(fs::path(AKIMBO_SOURCE_DIR) / "apps/configs");
  std::erase_if(folders, [&](const fs::path& folder) { return !fs::is_directory(folder, error); });
  return folders;
}

// The shipped config of that name, with or without ".json"; empty when there is none.
fs::path shipped_config(const std::string& name) {
  std::error_code error;
  for (const fs::path& folder : config_folders()) {
    for (const fs::path& candidate : {folder / name, folder / (name + ".json")}) {
      if (fs::is_regular_file(candidate, error)) return candidate;
    }
  }
  return {};
}

// What "extends" names: a file beside `path`, else a shipped config.
fs::path extended_config(const fs::path& path, const std::string& name) {
  std::error_code error;
  const fs::path beside = path.parent_path() / name;
  if (fs::is_regular_file(beside, error)) return beside;
  if (const fs::path shipped = shipped_config(name); !shipped.empty()) return shipped;
  const std::string nearest = nearest_name(name, list_configs());
  throw_error<ConfigError>(
      "[config] {} extends {}, which is neither a file beside it nor a shipped config{}",
      path.string(), name,
      nearest.empty() ? "; `akimbo configs` lists them"
                      : fmt::format("; did you mean {}?", nearest));
}

Json read_config_json(const fs::path& path) {
  try {
    Json json = io::parse_json(io::read_file(path), path.string());
    detail::check_is_section(json, "");
    return json;
  } catch (const FileError& e) {
    throw_error<ConfigError>("[config] {}", e.what());
  }
}

void make_root_absolute(Json& json, const fs::path& folder) {
  const auto data = json.find("data");
  if (data == json.end() || !data->is_object()) return;
  const auto root = data->find("root");
  if (root == data->end() || !root->is_string() || root->get<std::string>().empty()) return;
  const fs::path path = root->get<std::string>();
  if (path.is_relative()) *root = (fs::absolute(folder) / path).lexically_normal().string();
}

// A skeleton of the user's own lies beside the config, wherever the program is started.
void make_skeleton_absolute(Json& json, const fs::path& folder) {
  const auto skeleton = json.find("skeleton");
  if (skeleton == json.end() || !skeleton->is_string()) return;
  const fs::path path = skeleton->get<std::string>();
  if (path.extension() != ".json" || path.is_absolute()) return;
  *skeleton = (fs::absolute(folder) / path).lexically_normal().string();
}

Json read_extended(const fs::path& path, int depth) {
  Json json = read_config_json(path);
  make_root_absolute(json, path.parent_path());
  make_skeleton_absolute(json, path.parent_path());
  const auto extends = json.find("extends");
  if (extends == json.end()) return json;
  if (!extends->is_string()) {
    throw_error<ConfigError>(
        "[config] extends in {} is {}, wanted the path of a config file or the name of a shipped "
        "config",
        path.string(), extends->dump());
  }
  if (depth == kMaxExtends) {
    throw_error<ConfigError>("[config] {} extends once more; {} levels are the limit",
                             path.string(), kMaxExtends);
  }
  Json base = read_extended(extended_config(path, extends->get<std::string>()), depth + 1);
  json.erase("extends");
  // merge_patch merges objects by key and replaces all else; its null would erase a key, and no
  // setting is null, so a null is refused here and not lost.
  const Json flat = json.flatten();
  for (const auto& [key, value] : flat.items()) {
    if (value.is_null()) {
      throw_error<ConfigError>("[config] {} in {} is null, wanted a value", key, path.string());
    }
  }
  base.merge_patch(json);
  return base;
}

}  // namespace

std::vector<std::string> list_configs() {
  std::vector<std::string> names;
  for (const fs::path& folder : config_folders()) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".json") continue;
      if (entry.path().filename().string().starts_with("_")) continue;  // only to extend
      names.push_back(fs::relative(entry.path(), folder).string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

fs::path find_config(const std::string& name) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return name;
  if (const fs::path shipped = shipped_config(name); !shipped.empty()) return shipped;
  const std::string nearest = nearest_name(name, list_configs());
  throw_error<ConfigError>("[config] there is no file {} here and no shipped config of that name{}",
                           name,
                           nearest.empty() ? "; `akimbo configs` lists them"
                                           : fmt::format("; did you mean {}?", nearest));
}

void apply_override(Json& json, const std::string& override_text) {
  const std::size_t equals = override_text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw_error<ConfigError>("[config] --set {} has no key and value; write --set a.b=value",
                             override_text);
  }
  const std::string key = override_text.substr(0, equals);
  const std::string text = override_text.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = text;
  Json* target = &json;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    if (!target->is_object()) {
      throw_error<ConfigError>("[config] --set {}: {} holds a value, not settings", override_text,
                               key.substr(0, begin - 1));
    }
    target = &(*target)[key.substr(begin, end - begin)];
    if (end < key.size() && target->is_null()) *target = Json::object();
    begin = end + 1;
  }
  *target = std::move(value);
}

Config load_config(const fs::path& path, const std::vector<std::string>& overrides) {
  Json json = read_extended(path, 0);
  for (const std::string& text : overrides) apply_override(json, text);
  try {
    return config_from_json(json);
  } catch (const ConfigError& e) {
    std::string what = e.what();
    const std::string tag = "[config] ";
    if (what.starts_with(tag)) what.erase(0, tag.size());
    throw_error<ConfigError>("[config] {}: {}", path.string(), what);
  }
}

}  // namespace akimbo::apps
