// Reads JSON text once, front to back, without building a tree: for files of many megabytes whose
// layout is known (COCO annotations and results). Everything else uses engine/io/json.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace akimbo::io {

// A place in a JSON text. Every reading function takes the value at that place and moves past it;
// all throw FileError "[json] <where>: byte N: ..." for malformed text or another kind of value.
//   scanner.object([&](std::string_view key) {
//     if (key == "id") id = scanner.integer(); else scanner.skip(); });
class JsonScanner {
 public:
  // `text` must outlive the scanner; `where` names it in messages; reading begins at byte `start`.
  JsonScanner(std::string_view text, std::string where, std::size_t start = 0);

  enum class Kind { object, array, string, number, boolean, null };
  [[nodiscard]] Kind kind();

  // Calls member(key) for each member; it must take the value.
  template <typename F>
  void object(F&& member) {
    enter('{', "an object");
    if (closes('}')) return;
    do {
      const std::string key = string();
      expect(':');
      member(std::string_view(key));
    } while (continues('}'));
  }

  // Calls element() for each element; it must take the value.
  template <typename F>
  void array(F&& element) {
    enter('[', "a list");
    if (closes(']')) return;
    do {
      element();
    } while (continues(']'));
  }

  // A finite number. NaN and Infinity, which some writers put out, are refused by name.
  [[nodiscard]] double number();
  // A number without fraction that fits; 3.0 is taken as 3.
  [[nodiscard]] std::int64_t integer();
  [[nodiscard]] std::string string();
  [[nodiscard]] bool boolean();
  void skip();
  // Only blanks may follow.
  void finish();

  // For readers that split a text: the byte of the next character that is no blank, and a step over
  // it if it is `c`.
  [[nodiscard]] std::size_t position();
  [[nodiscard]] bool take(char c);

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    fail_text(fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void fail_text(const std::string& text) const;
  void skip_blanks();
  char peek();
  void expect(char c);
  void enter(char open, const char* what);
  bool closes(char close);
  bool continues(char close);
  void skip_string();
  void skip_word(std::string_view word);
  void append_escape(std::string& out);
  std::uint32_t hex4();

  std::string_view text_;
  std::string where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace akimbo::io
