// Small helpers for messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace akimbo {

// The candidate with the smallest edit distance to `name`; empty when none is at all similar.
[[nodiscard]] std::string nearest_name(std::string_view name,
                                       const std::vector<std::string>& candidates);

}  // namespace akimbo
