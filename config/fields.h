// How a struct of settings is tied to JSON. Each section describes its fields once, in a function
// template `describe(fields, section)`; a FieldReader fills the struct from JSON and checks it, a
// FieldWriter makes the JSON again. So a name, a type and a range stand in one place.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "engine/core/error.h"
#include "engine/io/json.h"

namespace akimbo {

// What a value must be beyond its type; `wanted` completes "..., wanted ".
template <typename T>
struct Rule {
  std::string wanted;
  std::function<bool(const T&)> holds;
};

template <typename T>
Rule<T> at_least(T low) {
  return {fmt::format("{} or more", low), [low](const T& v) { return v >= low; }};
}
template <typename T>
Rule<T> above(T low) {
  return {fmt::format("more than {}", low), [low](const T& v) { return v > low; }};
}
template <typename T>
Rule<T> between(T low, T high) {
  return {fmt::format("{} to {}", low, high), [=](const T& v) { return v >= low && v <= high; }};
}
template <typename T>
Rule<T> one_of(const std::vector<T>& values) {
  return {fmt::format("one of {}", fmt::join(values, ", ")), [values](const T& v) {
            for (const T& value : values) {
              if (v == value) return true;
            }
            return false;
          }};
}
// Every element keeps `rule`.
template <typename T>
Rule<std::vector<T>> each(const Rule<T>& rule) {
  return {"a list whose elements are " + rule.wanted, [rule](const std::vector<T>& values) {
            for (const T& value : values) {
              if (!rule.holds(value)) return false;
            }
            return true;
          }};
}

// Width and height, written [width, height] as the references' files do.
struct PixelSize {
  int width = 0;
  int height = 0;
  friend bool operator==(const PixelSize&, const PixelSize&) = default;
};

namespace detail {

// Throw ConfigError that names `path` when the JSON is of another type or does not fit.
void read_value(const Json& json, const std::string& path, bool& value);
void read_value(const Json& json, const std::string& path, int& value);
void read_value(const Json& json, const std::string& path, std::uint64_t& value);
void read_value(const Json& json, const std::string& path, double& value);
void read_value(const Json& json, const std::string& path, std::string& value);
void read_value(const Json& json, const std::string& path, PixelSize& value);
void read_value(const Json& json, const std::string& path, std::array<double, 3>& value);
void read_value(const Json& json, const std::string& path, std::vector<int>& value);
void read_value(const Json& json, const std::string& path, Json& value);  // as it is

void write_value(Json& json, const PixelSize& value);
template <typename T>
void write_value(Json& json, const T& value) {
  json = value;
}

std::string join_path(const std::string& path, const std::string& name);
// Throws ConfigError when the JSON is not an object.
void check_is_section(const Json& json, const std::string& path);
// Throws ConfigError for the first key of `json` that is not in `known`, naming the nearest.
void check_no_unknown_key(const Json& json, const std::string& path,
                          const std::vector<std::string>& known);

}  // namespace detail

class FieldReader {
 public:
  FieldReader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
    detail::check_is_section(json_, path_);
  }

  // Keeps the default when the key is absent.
  template <typename T>
  void field(const char* name, T& value, const Rule<T>& rule = {}) {
    known_.emplace_back(name);
    const auto found = json_.find(name);
    if (found == json_.end()) return;
    const std::string path = detail::join_path(path_, name);
    detail::read_value(*found, path, value);
    if (rule.holds && !rule.holds(value)) {
      throw_error<ConfigError>("[config] {} is {}, wanted {}", path, found->dump(), rule.wanted);
    }
  }

  template <typename Section>
  void section(const char* name, Section& section) {
    known_.emplace_back(name);
    const auto found = json_.find(name);
    if (found == json_.end()) return;
    FieldReader reader(*found, detail::join_path(path_, name));
    describe(reader, section);
    reader.finish();
  }

  void finish() const { detail::check_no_unknown_key(json_, path_, known_); }

 private:
  const Json& json_;
  std::string path_;
  std::vector<std::string> known_;
};

class FieldWriter {
 public:
  template <typename T>
  void field(const char* name, T& value, const Rule<T>& = {}) {
    detail::write_value(json_[name], value);
  }

  template <typename Section>
  void section(const char* name, Section& section) {
    FieldWriter writer;
    describe(writer, section);
    json_[name] = writer.json();
  }

  [[nodiscard]] const Json& json() const { return json_; }

 private:
  Json json_ = Json::object();
};

}  // namespace akimbo
