// The keys of a published experiment file, each asked for by its path; what nobody asked for is
// left over, so that no setting is lost silently.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::convert {

class ExperimentKeys {
 public:
  // Throws FileError when the file is no map of keys.
  ExperimentKeys(Json root, std::string where);

  // True when the key is there and is not null. Asking this way leaves the key over.
  [[nodiscard]] bool has(const std::string& path) const;

  // The value under "TRAIN.LR", or `fallback`. Throw ConfigError with file and key for another
  // type.
  [[nodiscard]] double number(const std::string& path, double fallback);
  [[nodiscard]] int integer(const std::string& path, int fallback);
  [[nodiscard]] bool boolean(const std::string& path, bool fallback);
  [[nodiscard]] std::string text(const std::string& path, const std::string& fallback);
  // A list of whole numbers; one number alone is a list of itself.
  [[nodiscard]] std::vector<int> integers(const std::string& path, std::vector<int> fallback);
  // [width, height], or one number for both.
  [[nodiscard]] Json size(const std::string& path, std::vector<int> fallback);

  // Marks the key as seen; true when it was there.
  bool skip(const std::string& path);
  // Keys that nobody asked for, by path.
  [[nodiscard]] std::vector<std::string> left_over() const;

  [[noreturn]] void fail(const std::string& path, const std::string& wanted) const;
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  [[nodiscard]] const Json* find(const std::string& path) const;
  const Json* take(const std::string& path);
  int whole(const Json& value, const std::string& path) const;

  Json root_;
  std::string where_;
  std::set<std::string> seen_;
};

}  // namespace akimbo::convert
