#include "apps/convert/pickle.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "apps/convert/pickle_machine.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

// Far above what any checkpoint needs (a training state of a large network has about 10^5 nodes),
// low enough that a hostile file stays well under a gigabyte.
constexpr std::size_t kMaxNodes = 4'000'000;
constexpr std::size_t kMaxItems = 16'000'000;
constexpr std::size_t kMaxStack = 4'000'000;
constexpr std::size_t kMaxTextBytes = 16u << 20;
constexpr std::size_t kMaxAllTextBytes = 256u << 20;
constexpr std::size_t kMaxLongBytes = 1024;
constexpr int kMaxDepth = 1000;

}  // namespace

const Value* Value::find(std::string_view key) const {
  if (kind != ValueKind::dict) return nullptr;
  for (std::size_t i = items.size(); i >= 2; i -= 2) {
    if (items[i - 2]->is(ValueKind::text) && items[i - 2]->text == key) return items[i - 1];
  }
  return nullptr;
}

std::string Value::utf8() const {
  if (is_valid_utf8(text, false)) return text;
  std::string converted;
  for (const char c : text) {
    const auto code = static_cast<std::uint8_t>(c);
    if (code < 0x80) {
      converted += c;
    } else {
      converted += static_cast<char>(0xc0 | code >> 6);
      converted += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return converted;
}

std::int64_t TensorRecord::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

const TensorRecord* Pickle::tensor_of(const Value& value) const {
  const Value* v = &value;
  if (v->is(ValueKind::parameter)) v = v->items.empty() ? nullptr : v->items[0];
  if (!v || v->integer < 0) return nullptr;
  if (!v->is(ValueKind::tensor) && !v->is(ValueKind::array)) return nullptr;
  return &tensors[static_cast<std::size_t>(v->integer)];
}

bool is_valid_utf8(std::string_view text, bool allow_surrogates) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[i]);
    const int extra = first < 0x80       ? 0
                      : first >> 5 == 6  ? 1
                      : first >> 4 == 14 ? 2
                      : first >> 3 == 30 ? 3
                                         : -1;
    if (extra < 0 || i + static_cast<std::size_t>(extra) >= text.size()) return false;
    std::uint32_t code = extra == 0 ? first : first & (0x3fu >> extra);
    for (int k = 1; k <= extra; ++k) {
      const auto next = static_cast<std::uint8_t>(text[i + static_cast<std::size_t>(k)]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 0x3fu);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[extra] || code > 0x10ffff) return false;
    if (!allow_surrogates && code >= 0xd800 && code < 0xe000) return false;
    i += static_cast<std::size_t>(extra) + 1;
  }
  return true;
}

// ---- values and stack ----

Value* PickleMachine::make(ValueKind kind) {
  if (result_.values.size() == kMaxNodes) {
    fail(fmt::format("holds more than {} objects; no checkpoint of a network does", kMaxNodes));
  }
  Value& value = result_.values.emplace_back();
  value.kind = kind;
  return &value;
}

Value* PickleMachine::make_integer(std::int64_t number) {
  Value* value = make(ValueKind::integer);
  value->integer = number;
  return value;
}

Value* PickleMachine::make_text(ValueKind kind, std::string_view content) {
  charge_text(content.size());
  Value* value = make(kind);
  value->text = content;
  return value;
}

void PickleMachine::charge_items(std::size_t count) {
  num_items_ += count;
  if (num_items_ > kMaxItems) {
    fail(fmt::format("holds more than {} list and dict entries; no checkpoint of a network does",
                     kMaxItems));
  }
}

void PickleMachine::charge_text(std::size_t bytes) {
  text_bytes_ += bytes;
  if (text_bytes_ > kMaxAllTextBytes) {
    fail(fmt::format("holds more than {} MiB of text; no checkpoint of a network does",
                     kMaxAllTextBytes >> 20));
  }
}

void PickleMachine::push(Value* value) {
  if (stack_.size() == kMaxStack) {
    fail(fmt::format("stacks more than {} values; the file is damaged", kMaxStack));
  }
  stack_.push_back(value);
}

Value* PickleMachine::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    fail("takes a value from an empty stack; the file is damaged");
  }
  return stack_.back();
}

Value* PickleMachine::pop() {
  Value* value = top();
  stack_.pop_back();
  return value;
}

std::vector<Value*> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("takes values down to a mark that was not set; the file is damaged");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Value*> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::append(Value* container, const std::vector<Value*>& items) {
  charge_items(items.size());
  int depth = container->depth;
  for (const Value* item : items) depth = std::max(depth, item->depth + 1);
  if (depth > kMaxDepth) {
    fail(fmt::format("nests containers more than {} deep; no checkpoint of a network does",
                     kMaxDepth));
  }
  container->depth = static_cast<std::uint16_t>(depth);
  container->items.insert(container->items.end(), items.begin(), items.end());
}

void PickleMachine::push_tuple(std::size_t count) {
  std::vector<Value*> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  Value* tuple = make(ValueKind::tuple);
  append(tuple, items);
  push(tuple);
}

void PickleMachine::memoize(std::uint64_t index) {
  Value* value = top();
  if (memo_.size() >= kMaxNodes) fail("remembers too many values; the file is damaged");
  memo_[static_cast<std::uint32_t>(index)] = value;
}

void PickleMachine::push_from_memo(std::uint32_t index) {
  const auto it = memo_.find(index);
  if (it == memo_.end()) {
    fail(fmt::format("recalls memo slot {}, which was never stored; the file is damaged", index));
  }
  push(it->second);
}

// ---- opcodes ----

// Two's complement of any length; what fits 64 bits becomes an integer.
void PickleMachine::push_long(std::size_t bytes) {
  if (bytes > kMaxLongBytes) {
    fail(fmt::format("an integer of {} bytes is longer than {}", bytes, kMaxLongBytes));
  }
  std::string_view raw = reader_.take(bytes);
  const bool negative = !raw.empty() && (raw.back() & 0x80) != 0;
  const char fill = negative ? '\xff' : '\0';
  while (raw.size() > 8 && raw.back() == fill && ((raw[raw.size() - 2] & 0x80) != 0) == negative) {
    raw.remove_suffix(1);
  }
  if (raw.size() > 8) return push(make_text(ValueKind::big_integer, raw));
  std::uint64_t number = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = raw.size(); i-- > 0;) {
    number = number << 8 | static_cast<std::uint8_t>(raw[i]);
  }
  push(make_integer(static_cast<std::int64_t>(number)));
}

// The text forms of protocol 0: I "00" and "01" are booleans, L ends in "L", F is a float.
void PickleMachine::push_number_line(std::uint8_t opcode) {
  std::string line = reader_.take_line(64);
  if (opcode == 'I' && (line == "00" || line == "01")) {
    Value* value = make(ValueKind::boolean);
    value->integer = line == "01";
    return push(value);
  }
  if (opcode == 'L' && !line.empty() && line.back() == 'L') line.pop_back();
  const char* end = line.data() + line.size();
  Value* value = make(opcode == 'F' ? ValueKind::real : ValueKind::integer);
  const auto parsed = opcode == 'F' ? std::from_chars(line.data(), end, value->real)
                                    : std::from_chars(line.data(), end, value->integer);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    fail(fmt::format("\"{}\" is no number of at most 64 bits", line));
  }
  push(value);
}

bool PickleMachine::step_number(std::uint8_t opcode) {
  switch (opcode) {
    case 'N': push(make(ValueKind::none)); return true;
    case 0x88:
    case 0x89: {
      Value* value = make(ValueKind::boolean);
      value->integer = opcode == 0x88;
      push(value);
      return true;
    }
    case 'K': push(make_integer(static_cast<std::int64_t>(reader_.take_unsigned(1)))); return true;
    case 'M': push(make_integer(static_cast<std::int64_t>(reader_.take_unsigned(2)))); return true;
    case 'J':
      push(make_integer(
          static_cast<std::int32_t>(static_cast<std::uint32_t>(reader_.take_unsigned(4)))));
      return true;
    case 0x8a: push_long(reader_.take_unsigned(1)); return true;
    case 0x8b: push_long(reader_.take_unsigned(4)); return true;
    case 'I':
    case 'L':
    case 'F': push_number_line(opcode); return true;
    case 'G': {
      const std::string_view raw = reader_.take(8);  // big-endian, alone among the opcodes
      std::uint64_t bits = 0;
      for (const char c : raw) bits = bits << 8 | static_cast<std::uint8_t>(c);
      Value* value = make(ValueKind::real);
      std::memcpy(&value->real, &bits, sizeof(bits));
      push(value);
      return true;
    }
    default: return false;
  }
}

void PickleMachine::push_literal(ValueKind kind, std::uint64_t bytes) {
  if (bytes > kMaxTextBytes) {
    fail(fmt::format("a string of {} bytes is longer than {} MiB", bytes, kMaxTextBytes >> 20));
  }
  push(make_text(kind, reader_.take(static_cast<std::size_t>(bytes))));
}

bool PickleMachine::step_text(std::uint8_t opcode) {
  switch (opcode) {
    case 'X': push_literal(ValueKind::text, reader_.take_unsigned(4)); break;
    case 0x8c: push_literal(ValueKind::text, reader_.take_unsigned(1)); break;
    case 0x8d: push_literal(ValueKind::text, reader_.take_unsigned(8)); break;
    // Strings of Python 2, which are text and bytes at once.
    case 'U': push_literal(ValueKind::text, reader_.take_unsigned(1)); return true;
    case 'T': push_literal(ValueKind::text, reader_.take_unsigned(4)); return true;
    case 'C': push_literal(ValueKind::bytes, reader_.take_unsigned(1)); return true;
    case 'B': push_literal(ValueKind::bytes, reader_.take_unsigned(4)); return true;
    case 0x8e: push_literal(ValueKind::bytes, reader_.take_unsigned(8)); return true;
    default: return false;
  }
  if (!is_valid_utf8(stack_.back()->text, true)) fail("a string is no UTF-8; the file is damaged");
  return true;
}

bool PickleMachine::step_container(std::uint8_t opcode) {
  switch (opcode) {
    case ')': push_tuple(0); return true;
    case 0x85: push_tuple(1); return true;
    case 0x86: push_tuple(2); return true;
    case 0x87: push_tuple(3); return true;
    case ']': push(make(ValueKind::list)); return true;
    case '}': push(make(ValueKind::dict)); return true;
    case 0x8f: push(make(ValueKind::set)); return true;
    case 't':
    case 'l':
    case 'd': {
      const std::vector<Value*> items = pop_to_mark();
      if (opcode == 'd' && items.size() % 2 != 0) fail("a dict has a key without a value");
      Value* made = make(opcode == 't'   ? ValueKind::tuple
                         : opcode == 'l' ? ValueKind::list
                                         : ValueKind::dict);
      append(made, items);
      push(made);
      return true;
    }
    case 'a':
    case 'e':
    case 0x90:
    case 's':
    case 'u': {
      std::vector<Value*> items;
      if (opcode == 'a') {
        items = {pop()};
      } else if (opcode == 's') {
        Value* value = pop();
        items = {pop(), value};
      } else {
        items = pop_to_mark();
      }
      Value* target = top();
      if (target->is(ValueKind::opaque)) return true;  // unknown objects keep nothing
      const ValueKind wanted = opcode == 0x90                   ? ValueKind::set
                               : opcode == 's' || opcode == 'u' ? ValueKind::dict
                                                                : ValueKind::list;
      if (!target->is(wanted)) fail("adds items to a value that holds none; the file is damaged");
      if (wanted == ValueKind::dict && items.size() % 2 != 0) {
        fail("a dict gets a key without a value");
      }
      append(target, items);
      return true;
    }
    default: return false;
  }
}

bool PickleMachine::step_stack(std::uint8_t opcode) {
  switch (opcode) {
    case 0x80: {
      const int protocol = reader_.take_u8();
      if (protocol > 5) fail(fmt::format("pickle protocol {} is newer than 5", protocol));
      return true;
    }
    case 0x95: reader_.skip(8); return true;  // FRAME: a hint for buffering
    case '(':
      if (marks_.size() == kMaxStack) fail("sets too many marks; the file is damaged");
      marks_.push_back(stack_.size());
      return true;
    case '0':
      // As Python: POP right after MARK removes the mark.
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        (void)pop();
      }
      return true;
    case '1': (void)pop_to_mark(); return true;
    case '2': push(top()); return true;
    case 'q': memoize(reader_.take_unsigned(1)); return true;
    case 'r': memoize(reader_.take_unsigned(4)); return true;
    case 0x94: memoize(memo_.size()); return true;
    case 'h': push_from_memo(static_cast<std::uint32_t>(reader_.take_unsigned(1))); return true;
    case 'j': push_from_memo(static_cast<std::uint32_t>(reader_.take_unsigned(4))); return true;
    default: return false;
  }
}

bool PickleMachine::step_object(std::uint8_t opcode) {
  constexpr std::size_t kMaxNameBytes = 256;
  switch (opcode) {
    case 'c': {
      const std::string module = reader_.take_line(kMaxNameBytes);
      push_global(module, reader_.take_line(kMaxNameBytes));
      return true;
    }
    case 0x93: {
      const Value* name = pop();
      const Value* module = pop();
      if (!name->is(ValueKind::text) || !module->is(ValueKind::text) ||
          name->text.size() > kMaxNameBytes || module->text.size() > kMaxNameBytes) {
        fail("names a class by something that is not a short text; the file is damaged");
      }
      push_global(module->text, name->text);
      return true;
    }
    case 'Q': push_persistent(pop()); return true;
    case 'R': reduce(); return true;
    case 0x81: new_object(); return true;
    case 'b': build(); return true;
    default: return false;
  }
}

Pickle PickleMachine::run() {
  while (true) {
    const std::uint8_t opcode = reader_.take_u8();
    if (opcode == '.') break;
    if (!step_number(opcode) && !step_text(opcode) && !step_container(opcode) &&
        !step_stack(opcode) && !step_object(opcode)) {
      fail(
          fmt::format("pickle opcode 0x{:02x} is not one that a checkpoint uses; the file is "
                      "damaged or hostile",
                      opcode));
    }
  }
  result_.root = pop();
  return std::move(result_);
}

Pickle read_pickle(ByteReader& reader, const PickleOptions& options) {
  return PickleMachine(reader, options).run();
}

}  // namespace akimbo::convert
