#include "apps/common/load_weights.h"

#include <algorithm>

#include "engine/core/error.h"

namespace akimbo::apps {
namespace {

// All names when they are few, else how many there are under each first part of a name.
std::string list_names(const std::vector<std::string>& names) {
  constexpr std::size_t kFew = 6;
  if (names.size() <= kFew) return fmt::format("{}", fmt::join(names, ", "));
  std::vector<std::pair<std::string, int>> parts;
  for (const std::string& name : names) {
    const std::string part = name.substr(0, name.find('.'));
    const auto known =
        std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == part; });
    if (known == parts.end()) {
      parts.emplace_back(part, 1);
    } else {
      ++known->second;
    }
  }
  std::string text;
  for (const auto& [part, count] : parts) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", part, count);
  }
  return text;
}

std::vector<std::string> summary_of(const nn::Module::LoadReport& report,
                                    const convert::Weights& weights) {
  const std::size_t num_own =
      report.loaded.size() + report.missing.size() + report.mis_shaped.size();
  std::vector<std::string> lines = {fmt::format("{} ({}): {} of the network's {} tensors loaded",
                                                weights.path, weights.format, report.loaded.size(),
                                                num_own)};
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) lines.push_back(fmt::format("  {}: {}", what, list_names(names)));
  };
  add("not in the file, left as initialised", report.missing);
  add("of another shape, left as initialised", report.mis_shaped);
  add("in the file, not used", report.unexpected);
  if (!weights.added.empty()) {
    lines.push_back(
        fmt::format("  {} batch counters, which old files lack, begin at 0", weights.added.size()));
  }
  return lines;
}

// What to say about the order of colours; throws when it is known to be wrong.
std::string color_note(const convert::Weights& weights, const Config& config, bool is_chosen) {
  const std::string& color = config.data.color;
  if (weights.color == color) return "";
  if (weights.color.empty()) {
    return fmt::format(
        "  the file does not say in which order it takes colours: data.color = {} of the config "
        "holds",
        color);
  }
  if (is_chosen) {
    return fmt::format("  the weights were trained on {} pictures and get {}, as you chose",
                       weights.color, color);
  }
  throw_error<ConfigError>(
      "[init] {} was trained on pictures in {} order, the config says data.color = {}; take the "
      "file's with --set data.color={}, or insist on the other with --set data.color={}",
      weights.path, weights.color, color, weights.color, color);
}

}  // namespace

bool chooses_color(const std::vector<std::string>& overrides) {
  return std::any_of(overrides.begin(), overrides.end(),
                     [](const std::string& text) { return text.starts_with("data.color="); });
}

std::vector<std::string> load_weights(models::Network& network, convert::Weights weights,
                                      const Config& config, const LoadOptions& options) {
  const std::string note = color_note(weights, config, options.color_is_chosen);
  const std::size_t num_tensors = weights.tensors.size();
  const auto report = network.load_state(std::move(weights.tensors), options.strict, weights.path);
  if (report.loaded.empty()) {
    throw_error<FileError>(
        "[init] none of the {} tensors in {} belongs to this network; is it the checkpoint of "
        "another model?",
        num_tensors, weights.path);
  }
  std::vector<std::string> lines = summary_of(report, weights);
  if (!note.empty()) lines.push_back(note);
  return lines;
}

}  // namespace akimbo::apps
