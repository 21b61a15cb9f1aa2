#include "apps/inspect/checkpoint_diff.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "apps/convert/convert.h"

namespace akimbo::apps {

namespace {

std::string shape_text(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape(), ","));
}

double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double d = std::abs(a - b);
  return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

TensorDiff compare(const std::string& name, const Tensor& a, const Tensor& b) {
  const Tensor exact_a = a.to(DType::f64), exact_b = b.to(DType::f64);
  const auto va = exact_a.values<double>(), vb = exact_b.values<double>();
  TensorDiff diff{.name = name};
  double sum = 0, norm = 0;
  for (std::size_t i = 0; i < va.size(); ++i) {
    const double d = distance(va[i], vb[i]);
    diff.largest = std::max(diff.largest, d);
    sum += d * d;
    norm += va[i] * va[i];
  }
  if (diff.largest > 0) diff.relative = std::sqrt(sum / norm);  // inf when a is all 0
  return diff;
}

// The values at all leaves of two trees that differ; null where one has none.
Json different_leaves(const Json& a, const Json& b) {
  const Json flat_a = a.flatten(), flat_b = b.flatten();
  Json differences = Json::object();
  const auto add = [&](const Json& keys) {
    for (const auto& [key, ignored] : keys.items()) {
      const Json in_a = flat_a.value(key, Json()), in_b = flat_b.value(key, Json());
      if (in_a != in_b) differences[key] = {in_a, in_b};
    }
  };
  add(flat_a);
  add(flat_b);
  return differences;
}

Json different_settings(const convert::Weights& a, const convert::Weights& b) {
  const auto in_a = a.metadata.find("config"), in_b = b.metadata.find("config");
  if (in_a == a.metadata.end() || in_b == b.metadata.end()) return Json::object();
  const Json config_a = Json::parse(in_a->second, nullptr, false);
  const Json config_b = Json::parse(in_b->second, nullptr, false);
  if (!config_a.is_object() || !config_b.is_object()) return Json::object();
  return different_leaves(config_a, config_b);
}

std::string names_text(const char* what, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += fmt::format("  {}: {}\n", what, name);
  return text;
}

}  // namespace

bool CheckpointDiff::is_equal() const {
  return only_a.empty() && only_b.empty() && mis_shaped.empty() && changed.empty();
}

CheckpointDiff diff_checkpoints(const std::filesystem::path& a, const std::filesystem::path& b) {
  const convert::Weights in_a = convert::read_weights(a, {.keep_unknown = true});
  const convert::Weights in_b = convert::read_weights(b, {.keep_unknown = true});
  std::map<std::string, const Tensor*> rest;  // of b
  for (const auto& [name, tensor] : in_b.tensors) rest[name] = &tensor;
  CheckpointDiff diff{.a = a.string(), .b = b.string(), .config = different_settings(in_a, in_b)};
  for (const auto& [name, tensor] : in_a.tensors) {
    const auto found = rest.find(name);
    if (found == rest.end()) {
      diff.only_a.push_back(name);
      continue;
    }
    const Tensor& other = *found->second;
    if (tensor.shape() != other.shape()) {
      diff.mis_shaped.push_back(
          fmt::format("{} {} {}", name, shape_text(tensor), shape_text(other)));
    } else if (const TensorDiff one = compare(name, tensor, other); one.largest > 0) {
      diff.changed.push_back(one);
    } else {
      ++diff.num_equal;
    }
    rest.erase(found);
  }
  for (const auto& [name, tensor] : in_b.tensors) {
    if (rest.contains(name)) diff.only_b.push_back(name);
  }
  return diff;
}

Json to_json(const CheckpointDiff& diff) {
  Json changed = Json::array();
  for (const TensorDiff& one : diff.changed) {
    changed.push_back({{"name", one.name}, {"largest", one.largest}, {"relative", one.relative}});
  }
  return {{"kind", "checkpoint differences"},
          {"a", diff.a},
          {"b", diff.b},
          {"equal", diff.is_equal()},
          {"only_a", diff.only_a},
          {"only_b", diff.only_b},
          {"mis_shaped", diff.mis_shaped},
          {"changed", changed},
          {"same", diff.num_equal},
          {"config", diff.config}};
}

std::string to_text(const CheckpointDiff& diff) {
  std::string text = fmt::format(
      "{} and {}: {} tensors the same, {} changed, {} of another shape, {} only in the first, {} "
      "only in the second\n",
      diff.a, diff.b, diff.num_equal, diff.changed.size(), diff.mis_shaped.size(),
      diff.only_a.size(), diff.only_b.size());
  text += names_text("only in the first", diff.only_a);
  text += names_text("only in the second", diff.only_b);
  text += names_text("of another shape", diff.mis_shaped);
  std::size_t width = 0;
  for (const TensorDiff& one : diff.changed) width = std::max(width, one.name.size());
  for (const TensorDiff& one : diff.changed) {
    text += fmt::format("  changed: {:{}} largest {:<12.5g} relative {:.5g}\n", one.name, width,
                        one.largest, one.relative);
  }
  for (const auto& [key, values] : diff.config.items()) {
    text += fmt::format("  config {}: {} -> {}\n", key, values[0].dump(), values[1].dump());
  }
  return text;
}

}  // namespace akimbo::apps
