#include "datasets/readers/json_records.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

// A value as a message shows it: short.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

class RecordFilter {
 public:
  RecordFilter(const std::vector<std::string>& skipped_keys, const RecordHandler& handle)
      : skipped_keys_(skipped_keys), handle_(handle) {}

  // The parser's callback: false leaves the value out of the tree.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 0 && event == Json::parse_event_t::array_start) {
      record_depth_ = 1;
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (depth == 1 && record_depth_ == 2) {
        list_ = key;
        index_ = 0;
      }
      return std::find(skipped_keys_.begin(), skipped_keys_.end(), key) == skipped_keys_.end();
    } else if (event == Json::parse_event_t::object_end && depth == record_depth_) {
      handle_(list_, index_++, parsed);
      return false;
    }
    return true;
  }

 private:
  const std::vector<std::string>& skipped_keys_;
  const RecordHandler& handle_;
  int record_depth_ = 2;  // elements of the arrays of a top-level object
  std::string list_;
  std::int64_t index_ = 0;
};

}  // namespace

void for_each_record(std::string_view text, const std::string& where,
                     const std::vector<std::string>& skipped_keys, const RecordHandler& handle) {
  RecordFilter filter(skipped_keys, handle);
  Json rest;
  try {
    rest = Json::parse(text.begin(), text.end(),
                       [&](int depth, Json::parse_event_t event, Json& parsed) {
                         return filter(depth, event, parsed);
                       });
  } catch (const Json::parse_error& e) {
    throw_error<FileError>("[json] {} is no valid JSON at byte {} of {}: {}; is it cut off?", where,
                           e.byte, text.size(), e.what());
  } catch (const Json::exception& e) {
    throw_error<FileError>("[json] {} cannot be read: {}", where, e.what());
  }
  if (!rest.is_object() && !rest.is_array()) {
    throw_error<FileError>("[json] {} holds a single value, wanted an object or a list", where);
  }
}

bool RecordFields::has(const char* key) const {
  const auto found = record_.find(key);
  return found != record_.end() && !found->is_null();
}

std::int64_t RecordFields::integer(const char* key) const {
  const auto found = record_.find(key);
  if (found == record_.end()) fail(key, "an integer");
  if (found->is_number_integer()) return found->get<std::int64_t>();
  // Some writers put 1.0 for 1.
  if (found->is_number_float()) {
    const auto value = found->get<double>();
    if (std::abs(value) < 9e15 && value == std::floor(value)) {
      return static_cast<std::int64_t>(value);
    }
  }
  fail(key, "an integer");
}

double RecordFields::number(const char* key) const {
  const auto found = record_.find(key);
  if (found == record_.end() || !found->is_number()) fail(key, "a number");
  return found->get<double>();
}

std::string RecordFields::text(const char* key) const {
  const auto found = record_.find(key);
  if (found == record_.end() || !found->is_string()) fail(key, "a text");
  return found->get<std::string>();
}

std::vector<double> RecordFields::numbers(const char* key, std::size_t count) const {
  const auto found = record_.find(key);
  const bool fits = found != record_.end() && found->is_array() && found->size() == count &&
                    std::all_of(found->begin(), found->end(), [](const Json& v) {
                      return v.is_number() && std::isfinite(v.get<double>());
                    });
  if (!fits) fail(key, fmt::format("{} numbers", count));
  return found->get<std::vector<double>>();
}

void RecordFields::fail(const char* key, const std::string& wanted) const {
  const auto found = record_.find(key);
  if (found == record_.end()) {
    throw_error<FileError>("[data] {}: {} is missing, wanted {}", name_, key, wanted);
  }
  throw_error<FileError>("[data] {}: {} is {}, wanted {}", name_, key, shown(*found), wanted);
}

bool BadRecords::run(const std::function<void()>& read) {
  try {
    read();
    return true;
  } catch (const FileError& e) {
    if (count_++ == 0) first_ = e.what();
    return false;
  }
}

void BadRecords::throw_if_any() const {
  if (count_ == 0) return;
  if (count_ == 1) throw FileError(first_);
  throw_error<FileError>("{} (and {} more bad records)", first_, count_ - 1);
}

}  // namespace akimbo::datasets
