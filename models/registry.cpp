#include "models/registry.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "models/estimators/pose_hrnet.h"
#include "models/estimators/pose_resnet.h"

namespace akimbo::models {
namespace {

using Builder = std::unique_ptr<Network> (*)(const Json& section, std::int64_t num_keypoints);
using HeatmapSide = std::int64_t (*)(const Json& section, std::int64_t input_side);

struct Entry {
  const char* name;
  const char* defaults;  // JSON object of every option
  Builder build;
  HeatmapSide heatmap_side;
};

[[noreturn]] void wrong_value(const char* key, const Json& value, const char* wanted) {
  throw_error<ConfigError>("[model] '{}' is {}; {}", key, value.dump(), wanted);
}

std::int64_t integer_of(const Json& section, const char* key) {
  const Json& value = section.at(key);
  if (!value.is_number_integer()) wrong_value(key, value, "a whole number is wanted");
  return value.get<std::int64_t>();
}

std::vector<std::int64_t> integers_of(const Json& section, const char* key) {
  const Json& value = section.at(key);
  if (!value.is_array()) wrong_value(key, value, "a list of whole numbers is wanted");
  std::vector<std::int64_t> out;
  for (const Json& item : value) {
    if (!item.is_number_integer() || item.get<std::int64_t>() < 1) {
      wrong_value(key, value, "a list of whole numbers of at least 1 is wanted");
    }
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

ResNetOptions resnet_options(const Json& section) {
  ResNetOptions options{.depth = static_cast<int>(integer_of(section, "depth")),
                        .width = static_cast<int>(integer_of(section, "width"))};
  const Json& style = section.at("style");
  if (style == "caffe") {
    options.style = ResNetStyle::caffe;
    // The published code silently builds other networks then.
    if (options.depth < 50)
      wrong_value("depth", section.at("depth"), "caffe style needs 50 or more");
  } else if (style != "pytorch") {
    wrong_value("style", style, "\"pytorch\" or \"caffe\" is wanted");
  }
  return options;
}

std::unique_ptr<Network> build_pose_resnet(const Json& section, std::int64_t num_keypoints) {
  const Json& with_bias = section.at("deconv_with_bias");
  if (!with_bias.is_boolean())
    wrong_value("deconv_with_bias", with_bias, "true or false is wanted");
  const Json& scratch_init = section.at("scratch_init");
  if (scratch_init != "framework" && scratch_init != "small_normal") {
    wrong_value("scratch_init", scratch_init, "\"framework\" or \"small_normal\" is wanted");
  }
  return std::make_unique<PoseResNet>(
      PoseResNetOptions{.backbone = resnet_options(section),
                        .head = {.filters = integers_of(section, "deconv_filters"),
                                 .kernels = integers_of(section, "deconv_kernels"),
                                 .with_bias = with_bias.get<bool>(),
                                 .final_kernel = integer_of(section, "final_kernel")},
                        .num_keypoints = num_keypoints,
                        .scratch_init = scratch_init == "framework" ? ScratchInit::framework
                                                                    : ScratchInit::small_normal});
}

// A ResNet divides by 32, rounding up at each halving; each transposed convolution doubles.
std::int64_t pose_resnet_heatmap_side(const Json& section, std::int64_t input_side) {
  const auto num_deconvs = static_cast<std::int64_t>(section.at("deconv_filters").size());
  return ((input_side + 31) / 32) << std::min<std::int64_t>(num_deconvs, 16);
}

std::unique_ptr<Network> build_pose_hrnet(const Json& section, std::int64_t num_keypoints) {
  HRNetOptions backbone{.width = static_cast<int>(integer_of(section, "width")),
                        .blocks = static_cast<int>(integer_of(section, "blocks")),
                        .stem = static_cast<int>(integer_of(section, "stem")),
                        .layer1_blocks = static_cast<int>(integer_of(section, "layer1_blocks"))};
  const auto modules = integers_of(section, "modules");
  if (modules.size() != backbone.modules.size()) {
    wrong_value("modules", section.at("modules"), "the counts of stages 2, 3 and 4 are wanted");
  }
  std::copy(modules.begin(), modules.end(), backbone.modules.begin());
  return std::make_unique<PoseHRNet>(
      PoseHRNetOptions{.backbone = backbone, .num_keypoints = num_keypoints});
}

std::int64_t pose_hrnet_heatmap_side(const Json&, std::int64_t input_side) {
  if (input_side % 32 != 0) {
    throw_error<ConfigError>("[model] pose_hrnet takes sides that are multiples of 32, not {}",
                             input_side);
  }
  return input_side / 4;
}

// Explicit, because objects that register themselves can be dropped by the linker.
constexpr Entry kNetworks[] = {
    {"pose_hrnet",
     R"({"width": 32, "modules": [1, 4, 3], "blocks": 4, "stem": 64, "layer1_blocks": 4})",
     build_pose_hrnet, pose_hrnet_heatmap_side},
    {"pose_resnet",
     R"({"depth": 50, "style": "pytorch", "width": 64, "deconv_filters": [256, 256, 256],
         "deconv_kernels": [4, 4, 4], "deconv_with_bias": false, "final_kernel": 1,
         "scratch_init": "framework"})",
     build_pose_resnet, pose_resnet_heatmap_side},
};

const Entry& find_network(const std::string& name) {
  for (const Entry& entry : kNetworks) {
    if (name == entry.name) return entry;
  }
  const std::vector<std::string> names = network_names();
  const std::string nearest = nearest_name(name, names);
  throw_error<ConfigError>("[model] there is no network '{}'; {}", name,
                           nearest.empty() ? fmt::format("known: {}", fmt::join(names, ", "))
                                           : "the nearest name is '" + nearest + "'");
}

}  // namespace

std::unique_ptr<Network> build_network(const Json& section, std::int64_t num_keypoints) {
  if (!section.is_object() || !section.contains("name") || !section.at("name").is_string()) {
    throw ConfigError("[model] the section \"model\" needs a \"name\", e.g. \"pose_resnet\"");
  }
  const Entry& entry = find_network(section.at("name").get<std::string>());
  Json resolved = default_section(entry.name);
  std::vector<std::string> known;
  for (const auto& [key, value] : resolved.items()) known.push_back(key);
  for (const auto& [key, value] : section.items()) {
    if (!resolved.contains(key)) {
      const std::string nearest = nearest_name(key, known);
      throw_error<ConfigError>("[model] {} has no option '{}'{}", entry.name, key,
                               nearest.empty() ? "" : "; the nearest is '" + nearest + "'");
    }
    resolved[key] = value;
  }
  try {
    return entry.build(resolved, num_keypoints);
  } catch (const ArgumentError& e) {
    throw ConfigError(e.what());
  }
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kNetworks) names.emplace_back(entry.name);
  return names;
}

std::int64_t heatmap_side(const Json& section, std::int64_t input_side) {
  return find_network(section.at("name").get<std::string>()).heatmap_side(section, input_side);
}

Json default_section(const std::string& name) {
  const Entry& entry = find_network(name);
  Json section = Json::parse(entry.defaults);
  section["name"] = entry.name;
  return section;
}

}  // namespace akimbo::models
