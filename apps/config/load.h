// Config files: found, extended, overridden, checked.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.h"

namespace akimbo::apps {

// The file that `name` means: itself when it exists, else below the folders of shipped configs
// (with or without ".json"). Throws ConfigError that names the nearest shipped config.
[[nodiscard]] std::filesystem::path find_config(const std::string& name);

// Every shipped config, relative to its folder, sorted.
[[nodiscard]] std::vector<std::string> list_configs();

// Reads `path`, merges it over the file that its "extends" names (relative to its own folder, else
// a shipped config by its name; three levels at most), then applies `overrides` ("a.b=value"; the
// value is JSON, or else a text).
// A relative data.root counts from the folder of the file that states it.
// Throws ConfigError with file, key, and remedy.
[[nodiscard]] Config load_config(const std::filesystem::path& path,
                                 const std::vector<std::string>& overrides = {});

// "a.b=value" into `json`.
void apply_override(Json& json, const std::string& override_text);

}  // namespace akimbo::apps
