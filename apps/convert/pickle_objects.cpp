// What calling the allowed names gives: plain objects here, tensors in pickle_tensors.cpp.
#include "apps/convert/pickle_machine.h"
#include "apps/convert/pickle_names.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

bool is_sequence(const Value& value) {
  return value.is(ValueKind::tuple) || value.is(ValueKind::list);
}

}  // namespace

// ---- arguments ----

const Value& PickleMachine::argument(const Value& tuple, std::size_t index, ValueKind kind,
                                     const char* what) {
  if (index >= tuple.items.size() || !tuple.items[index]->is(kind)) {
    fail(fmt::format("{} is missing or of the wrong type; the file is damaged", what));
  }
  return *tuple.items[index];
}

std::int64_t PickleMachine::integer_argument(const Value& tuple, std::size_t index,
                                             const char* what) {
  return argument(tuple, index, ValueKind::integer, what).integer;
}

std::vector<std::int64_t> PickleMachine::extents(const Value& tuple, const char* what) {
  constexpr std::size_t kMaxRank = 64;
  if (tuple.items.size() > kMaxRank) {
    fail(
        fmt::format("{} has {} axes, at most {} are possible", what, tuple.items.size(), kMaxRank));
  }
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i < tuple.items.size(); ++i) {
    values.push_back(integer_argument(tuple, i, what));
  }
  return values;
}

// ---- opcodes ----

void PickleMachine::push_global(const std::string& module, const std::string& name) {
  std::string full = module + "." + name;
  if (module == "__builtin__") full = "builtins." + name;
  if (module == "copy_reg") full = "copyreg." + name;
  const Callable callable = callable_of(full);
  if (callable == Callable::unknown && !options_.keep_unknown) {
    fail(
        fmt::format("the file asks for \"{}\", which is not a part of network weights; nothing of "
                    "it was run. If you trust its origin, --keep-unknown reads the weights beside "
                    "such objects (which stay inert); or save the state_dict alone",
                    printable(full)));
  }
  Value* symbol =
      make_text(callable == Callable::unknown ? ValueKind::opaque : ValueKind::symbol, full);
  symbol->integer = static_cast<std::int64_t>(callable);
  push(symbol);
}

void PickleMachine::reduce() {
  const Value* arguments = pop();
  Value* callee = pop();
  if (!arguments->is(ValueKind::tuple)) fail("calls with something that is no argument tuple");
  if (callee->is(ValueKind::opaque)) return push(make_text(ValueKind::opaque, callee->text));
  if (!callee->is(ValueKind::symbol)) fail("calls something that is no function");
  push(call(*callee, *arguments));
}

Value* PickleMachine::call(const Value& symbol, const Value& arguments) {
  switch (static_cast<Callable>(symbol.integer)) {
    case Callable::dict: return make_dict(arguments);
    case Callable::default_dict: return make(ValueKind::dict);
    case Callable::set: return make_set(arguments);
    case Callable::byte_array:
    case Callable::encode: return encode_text(arguments);
    case Callable::tensor: return make_tensor(arguments, false);
    case Callable::tensor_typed: return make_tensor(arguments, true);
    case Callable::first_argument: {
      if (arguments.items.empty() || !result_.tensor_of(*arguments.items[0])) {
        fail("a parameter is made of something that is no tensor");
      }
      return arguments.items[0];
    }
    case Callable::parameter: {
      Value* parameter = make(ValueKind::parameter);
      if (!arguments.items.empty()) {
        if (!arguments.items[0]->is(ValueKind::tensor)) {
          fail("a parameter is made of something that is no tensor");
        }
        append(parameter, {arguments.items[0]});
      }
      return parameter;
    }
    case Callable::size: {
      if (arguments.items.size() != 1 || !is_sequence(*arguments.items[0])) {
        fail("a torch.Size is made of something that is no tuple");
      }
      return arguments.items[0];
    }
    case Callable::device: return make_device(arguments);
    case Callable::numpy_scalar: return make_numpy_scalar(arguments);
    case Callable::numpy_array: {
      Value* array = make(ValueKind::array);
      array->integer = -1;  // its contents follow with BUILD
      return array;
    }
    case Callable::numpy_dtype: {
      Value* dtype =
          make_text(ValueKind::numpy_dtype,
                    argument(arguments, 0, ValueKind::text, "the code of a numpy type").text);
      if (!element_type_of_numpy(dtype->text)) {
        fail(fmt::format("numpy type \"{}\" is not supported", printable(dtype->text)));
      }
      return dtype;
    }
    case Callable::storage:
    case Callable::plain:
    case Callable::unknown: break;
  }
  fail(fmt::format("calls \"{}\", which no checkpoint of weights does", printable(symbol.text)));
}

void PickleMachine::new_object() {
  const Value* arguments = pop();
  Value* callee = pop();
  if (!arguments->is(ValueKind::tuple)) fail("makes an object without an argument tuple");
  if (callee->is(ValueKind::opaque)) return push(make_text(ValueKind::opaque, callee->text));
  if (!is_callable(*callee, Callable::parameter)) {
    fail("makes an object of a class that no checkpoint of weights uses");
  }
  push(call(*callee, *arguments));
}

void PickleMachine::build() {
  const Value* state = pop();
  Value* target = top();
  switch (target->kind) {
    case ValueKind::opaque: return;
    // Attributes of an OrderedDict: the _metadata of a state dict.
    case ValueKind::dict:
      if (!state->is(ValueKind::dict)) fail("a dict gets attributes that are no dict");
      return;
    case ValueKind::parameter: return build_parameter(*target, *state);
    case ValueKind::tensor: {  // very old: the arguments of set_()
      Value* made = make_tensor(*state, false);
      target->integer = made->integer;
      return;
    }
    case ValueKind::numpy_dtype: {
      const std::string& order = argument(*state, 1, ValueKind::text, "a numpy byte order").text;
      if (order != "<" && order != ">" && order != "|" && order != "=") {
        fail("a numpy type has an unknown byte order");
      }
      target->integer = order == ">";
      return;
    }
    case ValueKind::array: return build_array(*target, *state);
    default: fail("gives state to a value that has none; the file is damaged");
  }
}

// ---- plain objects ----

Value* PickleMachine::make_dict(const Value& arguments) {
  Value* dict = make(ValueKind::dict);
  if (arguments.items.empty()) return dict;
  const Value& source = *arguments.items[0];
  if (source.is(ValueKind::dict)) {
    append(dict, source.items);
    return dict;
  }
  if (!is_sequence(source)) fail("a dict is made of something that is no list of pairs");
  std::vector<Value*> items;
  charge_items(source.items.size());
  for (const Value* pair : source.items) {
    if (!is_sequence(*pair) || pair->items.size() != 2) {
      fail("a dict is made of something that is no list of pairs");
    }
    items.insert(items.end(), pair->items.begin(), pair->items.end());
  }
  append(dict, items);
  return dict;
}

Value* PickleMachine::make_set(const Value& arguments) {
  Value* set = make(ValueKind::set);
  if (arguments.items.empty()) return set;
  if (!is_sequence(*arguments.items[0])) fail("a set is made of something that is no list");
  append(set, arguments.items[0]->items);
  return set;
}

Value* PickleMachine::encode_text(const Value& arguments) {
  if (arguments.items.empty()) return make(ValueKind::bytes);
  const Value& source = *arguments.items[0];
  if (source.is(ValueKind::bytes)) return make_text(ValueKind::bytes, source.text);
  const std::string& codec = argument(arguments, 1, ValueKind::text, "the codec of bytes").text;
  if (!source.is(ValueKind::text) || (codec != "latin1" && codec != "latin-1")) {
    fail("bytes are written with a codec other than latin1");
  }
  charge_text(source.text.size());  // before the work, which the memo lets a file ask for often
  std::string bytes;
  for (std::size_t i = 0; i < source.text.size(); ++i) {
    auto code = static_cast<std::uint8_t>(source.text[i]);
    if (code >= 0x80) {
      if ((code != 0xc2 && code != 0xc3) || i + 1 == source.text.size()) {
        fail("bytes hold a character above 255");
      }
      code = static_cast<std::uint8_t>(code << 6 |
                                       (static_cast<std::uint8_t>(source.text[++i]) & 0x3f));
    }
    bytes += static_cast<char>(code);
  }
  return make_text(ValueKind::bytes, bytes);
}

Value* PickleMachine::make_device(const Value& arguments) {
  std::string name = argument(arguments, 0, ValueKind::text, "the name of a device").utf8();
  if (arguments.items.size() > 1) {
    name += fmt::format(":{}", integer_argument(arguments, 1, "the index of a device"));
  }
  return make_text(ValueKind::text, name);
}

}  // namespace akimbo::convert
