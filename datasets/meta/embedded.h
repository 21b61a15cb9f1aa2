// The JSON files of this folder as texts inside the program; the build writes the definition.
#pragma once

#include <span>
#include <string_view>

namespace akimbo::datasets {

struct EmbeddedMeta {
  std::string_view name;  // file name without ".json"
  std::string_view json;
};

[[nodiscard]] std::span<const EmbeddedMeta> embedded_metas();

}  // namespace akimbo::datasets
