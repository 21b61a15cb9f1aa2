#include "engine/pose/skeleton.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/json.h"

namespace akimbo {
namespace {

constexpr std::size_t kMaxKeypoints = 1024;

// Reads one meta file; every message starts with the file and the entry.
class Parser {
 public:
  Parser(const Json& json, const std::string& where) : json_(json), where_(where) {}

  Skeleton parse() {
    check_keys();
    skeleton_.name = json_.value("name", std::string());
    parse_keypoints();
    skeleton_.sigmas = numbers<double>("sigmas", true);
    skeleton_.weights = numbers<float>("weights", false);
    skeleton_.flip_pairs = pairs("flip_pairs");
    skeleton_.limbs = pairs("limbs");
    skeleton_.upper_body = indices("upper_body");
    skeleton_.lower_body = indices("lower_body");
    check_halves();
    check_flip_pairs();
    check_limbs();
    skeleton_.keypoint_colors = colors("keypoint_colors", skeleton_.keypoints.size(), "keypoints");
    skeleton_.limb_colors = colors("limb_colors", skeleton_.limbs.size(), "limbs");
    return std::move(skeleton_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw_error<FileError>("[skeleton] {}: {}", where_,
                           fmt::format(text, std::forward<Args>(args)...));
  }

  void check_keys() const {
    if (!json_.is_object()) fail("holds no JSON object; see datasets/meta/coco.json");
    static const std::vector<std::string> known = {
        "name",    "about",      "keypoints",  "sigmas",          "limbs",      "flip_pairs",
        "weights", "upper_body", "lower_body", "keypoint_colors", "limb_colors"};
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string nearest = nearest_name(key, known);
      fail("unknown key \"{}\"{}", key,
           nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
    }
    if (json_.contains("name") && !json_.at("name").is_string()) fail("\"name\" must be a text");
  }

  const Json* list(const char* key, bool required) const {
    const auto it = json_.find(key);
    if (it == json_.end()) {
      if (required) fail("\"{}\" is missing", key);
      return nullptr;
    }
    if (!it->is_array()) fail("\"{}\" must be a list", key);
    return &*it;
  }

  void parse_keypoints() {
    const Json& names = *list("keypoints", true);
    if (names.empty() || names.size() > kMaxKeypoints) {
      fail("\"keypoints\" holds {} names; 1 to {} are possible", names.size(), kMaxKeypoints);
    }
    std::set<std::string> seen;
    for (const Json& name : names) {
      if (!name.is_string()) fail("\"keypoints\" must hold texts, not {}", name.dump());
      skeleton_.keypoints.push_back(name.get<std::string>());
      if (skeleton_.keypoints.back().empty()) fail("\"keypoints\" holds an empty name");
      if (!seen.insert(skeleton_.keypoints.back()).second) {
        fail("keypoint \"{}\" is listed twice", skeleton_.keypoints.back());
      }
    }
  }

  template <typename T>
  std::vector<T> numbers(const char* key, bool required) const {
    const std::size_t count = skeleton_.keypoints.size();
    const Json* values = list(key, required);
    if (values == nullptr) return std::vector<T>(count, T(1));
    if (values->size() != count) {
      fail("\"{}\" holds {} numbers, but there are {} keypoints", key, values->size(), count);
    }
    std::vector<T> result;
    for (const Json& value : *values) {
      const double number = value.is_number() ? value.get<double>() : 0.0;
      if (!std::isfinite(number) || number <= 0.0) {
        fail("\"{}\" must hold positive numbers, not {}", key, value.dump());
      }
      result.push_back(static_cast<T>(number));
    }
    return result;
  }

  int keypoint(const char* key, const Json& value) const {
    if (!value.is_string()) fail("\"{}\" must name keypoints, not {}", key, value.dump());
    const std::string name = value.get<std::string>();
    const auto& names = skeleton_.keypoints;
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) {
      const std::string nearest = nearest_name(name, names);
      fail("\"{}\" names \"{}\", which is no keypoint{}", key, name,
           nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
    }
    return static_cast<int>(it - names.begin());
  }

  std::vector<std::pair<int, int>> pairs(const char* key) const {
    std::vector<std::pair<int, int>> result;
    const Json* values = list(key, false);
    if (values == nullptr) return result;
    for (const Json& pair : *values) {
      if (!pair.is_array() || pair.size() != 2) {
        fail("\"{}\" must hold pairs of keypoint names, not {}", key, pair.dump());
      }
      result.emplace_back(keypoint(key, pair[0]), keypoint(key, pair[1]));
      if (result.back().first == result.back().second) {
        fail("\"{}\" pairs {} with itself", key, pair[0].dump());
      }
    }
    return result;
  }

  std::vector<int> indices(const char* key) const {
    std::vector<int> result;
    const Json* values = list(key, false);
    if (values == nullptr) return result;
    for (const Json& value : *values) result.push_back(keypoint(key, value));
    return result;
  }

  void check_flip_pairs() const {
    std::set<int> seen;
    for (const auto& [left, right] : skeleton_.flip_pairs) {
      for (const int k : {left, right}) {
        if (!seen.insert(k).second) {
          fail("\"flip_pairs\" names \"{}\" twice", skeleton_.keypoints[k]);
        }
      }
    }
  }

  void check_limbs() const {
    std::set<std::pair<int, int>> seen;
    for (const auto& [a, b] : skeleton_.limbs) {
      if (seen.insert(std::minmax(a, b)).second) continue;
      fail("\"limbs\" joins \"{}\" and \"{}\" twice", skeleton_.keypoints[a],
           skeleton_.keypoints[b]);
    }
  }

  // A keypoint belongs to one half at most.
  void check_halves() const {
    std::set<int> seen;
    for (const auto* half : {&skeleton_.upper_body, &skeleton_.lower_body}) {
      for (const int k : *half) {
        if (seen.insert(k).second) continue;
        fail("\"upper_body\" and \"lower_body\" name \"{}\" twice", skeleton_.keypoints[k]);
      }
    }
  }

  std::vector<Rgb> colors(const char* key, std::size_t count, const char* of) const {
    std::vector<Rgb> result;
    const Json* values = list(key, false);
    if (values == nullptr) return result;
    if (values->size() != count) {
      fail("\"{}\" holds {} colors, but there are {} {}", key, values->size(), count, of);
    }
    for (const Json& value : *values) {
      const std::string text = value.is_string() ? value.get<std::string>() : "";
      if (text.size() != 7 || text[0] != '#' ||
          text.find_first_not_of("0123456789abcdefABCDEF", 1) != std::string::npos) {
        fail("\"{}\" must hold colors such as \"#3296ff\", not {}", key, value.dump());
      }
      const auto number = std::stoul(text.substr(1), nullptr, 16);
      result.push_back({static_cast<std::uint8_t>(number >> 16),
                        static_cast<std::uint8_t>(number >> 8 & 255),
                        static_cast<std::uint8_t>(number & 255)});
    }
    return result;
  }

  const Json& json_;
  const std::string& where_;
  Skeleton skeleton_;
};

Json names_of(const Skeleton& skeleton, const std::vector<int>& indices) {
  Json names = Json::array();
  for (const int k : indices) names.push_back(skeleton.keypoints[k]);
  return names;
}

Json names_of(const Skeleton& skeleton, const std::vector<std::pair<int, int>>& pairs) {
  Json names = Json::array();
  for (const auto& [a, b] : pairs) {
    names.push_back(Json::array({skeleton.keypoints[a], skeleton.keypoints[b]}));
  }
  return names;
}

Json texts_of(const std::vector<Rgb>& colors) {
  Json texts = Json::array();
  for (const Rgb& c : colors) texts.push_back(fmt::format("#{:02x}{:02x}{:02x}", c[0], c[1], c[2]));
  return texts;
}

}  // namespace

int Skeleton::index_of(std::string_view keypoint) const {
  const auto it = std::find(keypoints.begin(), keypoints.end(), keypoint);
  if (it == keypoints.end()) {
    const std::string nearest = nearest_name(keypoint, keypoints);
    throw_error<ArgumentError>("[skeleton] {} has no keypoint \"{}\"{}", name, keypoint,
                               nearest.empty() ? "" : fmt::format("; nearest is \"{}\"", nearest));
  }
  return static_cast<int>(it - keypoints.begin());
}

std::vector<int> Skeleton::flip_permutation() const {
  std::vector<int> permutation(keypoints.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  for (const auto& [left, right] : flip_pairs) std::swap(permutation[left], permutation[right]);
  return permutation;
}

std::vector<Side> Skeleton::sides() const {
  std::vector<Side> result(keypoints.size(), Side::middle);
  for (const auto& [left, right] : flip_pairs) {
    result[left] = Side::left;
    result[right] = Side::right;
  }
  return result;
}

Skeleton parse_skeleton(std::string_view json_text, const std::string& where) {
  const Json json = io::parse_json(json_text, where);
  return Parser(json, where).parse();
}

std::string skeleton_json(const Skeleton& skeleton) {
  Json json = {{"name", skeleton.name},
               {"keypoints", skeleton.keypoints},
               {"sigmas", skeleton.sigmas},
               {"weights", skeleton.weights},
               {"flip_pairs", names_of(skeleton, skeleton.flip_pairs)},
               {"limbs", names_of(skeleton, skeleton.limbs)},
               {"upper_body", names_of(skeleton, skeleton.upper_body)},
               {"lower_body", names_of(skeleton, skeleton.lower_body)}};
  if (!skeleton.keypoint_colors.empty()) {
    json["keypoint_colors"] = texts_of(skeleton.keypoint_colors);
  }
  if (!skeleton.limb_colors.empty()) json["limb_colors"] = texts_of(skeleton.limb_colors);
  return json.dump();
}

}  // namespace akimbo
