// Big JSON files of many small records, read one record at a time: an annotation file of 240 MB
// never becomes a tree in memory. Also the checked access to a record's fields.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::datasets {

// Called with every object that is an element of a top-level array: of array `list` ("" when the
// file itself is an array), at position `index` of it.
using RecordHandler =
    std::function<void(std::string_view list, std::int64_t index, const Json& record)>;

// Parses `text`, leaving out values whose key is in `skipped_keys`. Throws FileError with `where`
// when the text is no JSON or its top level is neither object nor array; the handler's exceptions
// pass through.
void for_each_record(std::string_view text, const std::string& where,
                     const std::vector<std::string>& skipped_keys, const RecordHandler& handle);

// One record and how messages name it ("val.json: annotation 7"). All access throws FileError that
// says what was found and what was wanted.
class RecordFields {
 public:
  RecordFields(const Json& record, std::string name) : record_(record), name_(std::move(name)) {}

  [[nodiscard]] bool has(const char* key) const;
  [[nodiscard]] std::int64_t integer(const char* key) const;
  [[nodiscard]] double number(const char* key) const;
  [[nodiscard]] std::string text(const char* key) const;
  // Exactly `count` numbers.
  [[nodiscard]] std::vector<double> numbers(const char* key, std::size_t count) const;
  [[nodiscard]] const std::string& name() const { return name_; }
  // Throws FileError: "[name]: [key] is [value], wanted [wanted]".
  [[noreturn]] void fail(const char* key, const std::string& wanted) const;

 private:
  const Json& record_;
  std::string name_;
};

// Lets a reader go on past bad records, to say how many there are.
class BadRecords {
 public:
  // Runs read(); a FileError is noted. True when there was none.
  bool run(const std::function<void()>& read);
  // Throws FileError with the first message and the number of the others, if there were any.
  void throw_if_any() const;

 private:
  std::string first_;
  std::int64_t count_ = 0;
};

}  // namespace akimbo::datasets
