#include "engine/io/json_scanner.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace akimbo::io {
namespace {

constexpr int kMaxDepth = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Powers of ten that a double holds exactly.
constexpr double kExactPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

constexpr std::uint64_t kExactInteger = std::uint64_t{1} << 53;  // below: exact as double

// Plain decimals whose digits are an integer that a double holds: one exact integer over one exact
// power of ten is rounded once, so it is the nearest double. Returns the end, or null when the text
// is of another form.
const char* parse_plain(const char* p, const char* end, double& value) {
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  constexpr std::ptrdiff_t kMaxDigits = 18;  // no overflow of 64 bits
  std::uint64_t digits = 0;
  const char* const first = p;
  while (p < end && is_digit(*p) && p - first < kMaxDigits) {
    digits = digits * 10 + static_cast<unsigned>(*p++ - '0');
  }
  std::ptrdiff_t decimals = 0;
  if (p < end && *p == '.') {
    const std::ptrdiff_t room = kMaxDigits - (p - first);
    const char* const fraction = ++p;
    while (p < end && is_digit(*p) && p - fraction < room) {
      digits = digits * 10 + static_cast<unsigned>(*p++ - '0');
    }
    decimals = p - fraction;
    if (decimals == 0) return nullptr;
  }
  const bool goes_on = p < end && (is_digit(*p) || *p == 'e' || *p == 'E' || *p == '.');
  if (p == first || goes_on || digits > kExactInteger) return nullptr;
  value = static_cast<double>(digits) / kExactPowers[decimals];
  if (negative) value = -value;
  return p;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

}  // namespace

JsonScanner::JsonScanner(std::string_view text, std::string where, std::size_t start)
    : text_(text), where_(std::move(where)), at_(start) {
  if (start == 0 && text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // mark of some editors
}

void JsonScanner::fail_text(const std::string& text) const {
  throw_error<FileError>("[json] {}: byte {} of {}: {}", where_, at_, text_.size(), text);
}

void JsonScanner::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++at_;
  }
}

char JsonScanner::peek() {
  skip_blanks();
  if (at_ >= text_.size()) fail("the text ends too early; is the file cut off?");
  return text_[at_];
}

void JsonScanner::expect(char c) {
  if (peek() != c) fail("'{}' expected, '{}' found", c, text_[at_]);
  ++at_;
}

void JsonScanner::enter(char open, const char* what) {
  if (peek() != open) fail("{} expected, '{}' found", what, text_[at_]);
  ++at_;
  if (++depth_ > kMaxDepth) fail("nested deeper than {}", kMaxDepth);
}

bool JsonScanner::closes(char close) {
  if (peek() != close) return false;
  ++at_;
  --depth_;
  return true;
}

bool JsonScanner::continues(char close) {
  if (closes(close)) return false;
  if (text_[at_] != ',') fail("',' or '{}' expected, '{}' found", close, text_[at_]);
  ++at_;
  return true;
}

JsonScanner::Kind JsonScanner::kind() {
  switch (peek()) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default: return Kind::number;
  }
}

double JsonScanner::number() {
  const char c = peek();
  const char* const begin = text_.data() + at_;
  const char* const end = text_.data() + text_.size();
  const bool signed_digit = c == '-' && end - begin > 1 && is_digit(begin[1]);
  if (!is_digit(c) && !signed_digit) {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("NaN") || rest.starts_with("Inf") || rest.starts_with("-Inf")) {
      fail("{} where a number is wanted", rest.starts_with("NaN") ? "NaN" : "Infinity");
    }
    fail("a number expected, '{}' found", c);
  }
  double value = 0.0;
  if (const char* stop = parse_plain(begin, end, value)) {
    at_ += static_cast<std::size_t>(stop - begin);
    return value;
  }
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || !std::isfinite(value)) fail("a number out of range");
  if (stop[-1] == '.') fail("a number that ends in '.'");
  at_ += static_cast<std::size_t>(stop - begin);
  return value;
}

std::int64_t JsonScanner::integer() {
  peek();
  const std::size_t start = at_;
  const char* const begin = text_.data() + at_;
  const char* const end = text_.data() + text_.size();
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  const bool whole = stop == end || (*stop != '.' && *stop != 'e' && *stop != 'E');
  if (error == std::errc() && whole) {
    at_ += static_cast<std::size_t>(stop - begin);
    return value;
  }
  const double real = number();
  if (std::abs(real) > 9007199254740992.0 || real != std::floor(real)) {
    at_ = start;
    fail("a whole number expected");
  }
  return static_cast<std::int64_t>(real);
}

std::uint32_t JsonScanner::hex4() {
  std::uint32_t code = 0;
  const char* const begin = text_.data() + at_;
  if (text_.size() - at_ < 4) fail("the text ends inside an escape");
  const auto [stop, error] = std::from_chars(begin, begin + 4, code, 16);
  if (error != std::errc() || stop != begin + 4) fail("four hexadecimal digits expected");
  at_ += 4;
  return code;
}

// at_ is behind the backslash.
void JsonScanner::append_escape(std::string& out) {
  if (at_ >= text_.size()) fail("the text ends inside a string");
  const char c = text_[at_++];
  switch (c) {
    case '"':
    case '\\':
    case '/': out += c; return;
    case 'b': out += '\b'; return;
    case 'f': out += '\f'; return;
    case 'n': out += '\n'; return;
    case 'r': out += '\r'; return;
    case 't': out += '\t'; return;
    case 'u': break;
    default: fail("unknown escape '\\{}'", c);
  }
  std::uint32_t code = hex4();
  if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
    at_ += 2;
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) fail("half a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(out, code);
}

std::string JsonScanner::string() {
  if (peek() != '"') fail("a text expected, '{}' found", text_[at_]);
  ++at_;
  std::string out;
  while (true) {
    const std::size_t stop = text_.find_first_of("\"\\", at_);
    if (stop == std::string_view::npos) fail("a text without end; is the file cut off?");
    out.append(text_, at_, stop - at_);
    at_ = stop + 1;
    if (text_[stop] == '"') return out;
    append_escape(out);
  }
}

void JsonScanner::skip_string() {
  ++at_;
  while (true) {
    const std::size_t stop = text_.find_first_of("\"\\", at_);
    if (stop == std::string_view::npos) fail("a text without end; is the file cut off?");
    const bool closing = text_[stop] == '"';
    at_ = std::min(text_.size(), stop + (closing ? 1 : 2));
    if (closing) return;
  }
}

void JsonScanner::skip_word(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) fail("'{}' is no JSON value", text_[at_]);
  at_ += word.size();
}

bool JsonScanner::boolean() {
  const bool value = peek() == 't';
  if (!value && text_[at_] != 'f') fail("true or false expected, '{}' found", text_[at_]);
  skip_word(value ? "true" : "false");
  return value;
}

void JsonScanner::skip() {
  switch (peek()) {
    case '{': object([&](std::string_view) { skip(); }); return;
    case '[': array([&] { skip(); }); return;
    case '"': skip_string(); return;
    case 't': skip_word("true"); return;
    case 'f': skip_word("false"); return;
    case 'n': skip_word("null"); return;
    case 'N': skip_word("NaN"); return;  // harmless where nobody reads it
    default: static_cast<void>(number());
  }
}

std::size_t JsonScanner::position() {
  skip_blanks();
  return at_;
}

bool JsonScanner::take(char c) {
  if (peek() != c) return false;
  ++at_;
  return true;
}

void JsonScanner::finish() {
  skip_blanks();
  if (at_ < text_.size()) fail("'{}' after the end", text_[at_]);
}

}  // namespace akimbo::io
