#include "datasets/meta.h"

#include "datasets/meta/embedded.h"
#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"

namespace akimbo::datasets {

std::vector<std::string> skeleton_names() {
  std::vector<std::string> names;
  for (const EmbeddedMeta& meta : embedded_metas()) names.emplace_back(meta.name);
  return names;
}

Skeleton skeleton_by_name(const std::string& name_or_path) {
  for (const EmbeddedMeta& meta : embedded_metas()) {
    if (meta.name == name_or_path) return parse_skeleton(meta.json, name_or_path);
  }
  if (name_or_path.ends_with(".json")) {
    return parse_skeleton(io::read_file(name_or_path), name_or_path);
  }
  const std::vector<std::string> known = skeleton_names();
  const std::string nearest = nearest_name(name_or_path, known);
  throw_error<ConfigError>(
      "[skeleton] no skeleton is called \"{}\"; {}give one of: {}, or a path that ends in .json",
      name_or_path, nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
      fmt::join(known, ", "));
}

}  // namespace akimbo::datasets
