#include "apps/convert/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::convert {
namespace {

constexpr std::uint64_t kMaxBytes = 1u << 20;
constexpr int kMaxValues = 10'000;
constexpr int kMaxDepth = 32;

template <typename T>
bool parse_whole(const std::string& text, T& value) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stop == end && begin != end;
}

bool is_one_of(const std::string& text, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// What an unquoted scalar stands for.
Json plain_value(const std::string& text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    return false;
  }
  if (std::int64_t whole = 0; parse_whole(text, whole)) return whole;
  const bool looks_numeric = text.find_first_of("0123456789") != std::string::npos;
  if (double real = 0; looks_numeric && parse_whole(text, real)) return real;
  return text;
}

class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  Json value(const YAML::Node& node, int depth) {
    if (depth > kMaxDepth)
      fail(node, fmt::format("it is nested more than {} levels deep", kMaxDepth));
    if (++num_values_ > kMaxValues)
      fail(node, fmt::format("it holds more than {} values", kMaxValues));
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return node.Tag() == "?" ? plain_value(node.Scalar()) : Json(node.Scalar());
      case YAML::NodeType::Sequence: {
        Json list = Json::array();
        for (const YAML::Node& item : node) list.push_back(value(item, depth + 1));
        return list;
      }
      case YAML::NodeType::Map: return map(node, depth);
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined: break;
    }
    return nullptr;
  }

 private:
  Json map(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& item : node) {
      if (!item.first.IsScalar()) fail(item.first, "a key is no text");
      const std::string& key = item.first.Scalar();
      if (object.contains(key)) fail(item.first, fmt::format("the key {} comes twice", key));
      object[key] = value(item.second, depth + 1);
    }
    return object;
  }

  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const {
    throw_error<FileError>("[yaml] {}, line {}, column {}: {}", where_, node.Mark().line + 1,
                           node.Mark().column + 1, what);
  }

  std::string where_;
  int num_values_ = 0;
};

}  // namespace

Json read_yaml(const std::filesystem::path& path) {
  const std::string where = path.string();
  const std::string text = io::read_file(path);
  if (text.size() > kMaxBytes) {
    throw_error<FileError>("[yaml] {} has {} bytes; no experiment has more than {}", where,
                           text.size(), kMaxBytes);
  }
  try {
    return Reader(where).value(YAML::Load(text), 0);
  } catch (const YAML::Exception& e) {
    throw_error<FileError>("[yaml] {}, line {}, column {}: {}", where, e.mark.line + 1,
                           e.mark.column + 1, e.msg);
  }
}

}  // namespace akimbo::convert
