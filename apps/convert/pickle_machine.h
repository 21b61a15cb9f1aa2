// The state of the pickle machine, shared by its sources: opcodes (pickle.cpp) and the meaning of
// the allowed names (pickle_objects.cpp, pickle_tensors.cpp). Not for use elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/convert/pickle.h"

namespace akimbo::convert {

class PickleMachine {
 public:
  PickleMachine(ByteReader& reader, const PickleOptions& options)
      : reader_(reader), options_(options) {}
  Pickle run();

 private:
  // ---- pickle.cpp: opcodes, by subject; each returns false for an opcode of another subject ----
  bool step_number(std::uint8_t opcode);
  bool step_text(std::uint8_t opcode);
  bool step_container(std::uint8_t opcode);
  bool step_stack(std::uint8_t opcode);
  bool step_object(std::uint8_t opcode);

  Value* make(ValueKind kind);
  Value* make_integer(std::int64_t value);
  Value* make_text(ValueKind kind, std::string_view content);
  void push(Value* value);
  Value* pop();
  Value* top();
  std::vector<Value*> pop_to_mark();
  void push_tuple(std::size_t count);
  void append(Value* container, const std::vector<Value*>& items);
  void memoize(std::uint64_t index);
  void push_from_memo(std::uint32_t index);
  void push_long(std::size_t bytes);
  void push_number_line(std::uint8_t opcode);
  void push_literal(ValueKind kind, std::uint64_t bytes);

  // ---- pickle_objects.cpp ----
  void push_global(const std::string& module, const std::string& name);
  void reduce();
  void new_object();
  void build();

  Value* call(const Value& symbol, const Value& arguments);
  Value* make_dict(const Value& arguments);
  Value* make_set(const Value& arguments);
  Value* encode_text(const Value& arguments);
  Value* make_device(const Value& arguments);

  // ---- pickle_tensors.cpp ----
  void push_persistent(Value* id);
  Value* make_tensor(const Value& arguments, bool with_dtype);
  Value* make_numpy_scalar(const Value& arguments);
  void build_parameter(Value& parameter, const Value& state);
  void build_array(Value& array, const Value& state);
  Value* add_tensor(TensorRecord record, std::int64_t available);

  // ---- typed access to arguments; `what` names them in the message ----
  const Value& argument(const Value& tuple, std::size_t index, ValueKind kind, const char* what);
  std::int64_t integer_argument(const Value& tuple, std::size_t index, const char* what);
  std::vector<std::int64_t> extents(const Value& tuple, const char* what);
  void charge_items(std::size_t count);
  void charge_text(std::size_t bytes);
  [[noreturn]] void fail(const std::string& what) const { reader_.fail(what); }

  ByteReader& reader_;
  const PickleOptions& options_;
  Pickle result_;
  std::vector<Value*> stack_;
  std::vector<std::size_t> marks_;                  // stack heights
  std::unordered_map<std::uint32_t, Value*> memo_;  // never an array: the file chooses the indices
  std::unordered_map<std::string, int> storage_by_key_;
  std::size_t num_items_ = 0;
  std::size_t text_bytes_ = 0;
};

[[nodiscard]] bool is_valid_utf8(std::string_view text, bool allow_surrogates);

}  // namespace akimbo::convert
