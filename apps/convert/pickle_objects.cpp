// The names that a pickle may mention and what calling them gives here. See pickle.h.
#include <algorithm>
#include <cstring>
#include <limits>

#include "apps/convert/pickle_machine.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

enum class Callable : std::int64_t {
  dict,  // OrderedDict, Counter
  default_dict,
  set,
  byte_array,
  encode,  // _codecs.encode, by which protocol 2 writes bytes
  tensor,
  tensor_typed,    // _rebuild_tensor_v3: the type is an argument
  first_argument,  // _rebuild_parameter*: the tensor itself
  parameter,
  size,
  device,
  numpy_scalar,
  numpy_array,
  numpy_dtype,
  storage,  // a type of storage: not called
  plain,    // a type that is only mentioned
  unknown,
};

struct Allowed {
  std::string_view name;
  Callable callable;
};

constexpr Allowed kAllowed[] = {
    {"collections.OrderedDict", Callable::dict},
    {"collections.Counter", Callable::dict},
    {"collections.defaultdict", Callable::default_dict},
    {"torch._utils._rebuild_tensor", Callable::tensor},
    {"torch._utils._rebuild_tensor_v2", Callable::tensor},
    {"torch._utils._rebuild_tensor_v3", Callable::tensor_typed},
    {"torch._utils._rebuild_parameter", Callable::first_argument},
    {"torch._utils._rebuild_parameter_with_state", Callable::first_argument},
    {"torch.nn.parameter.Parameter", Callable::parameter},
    {"torch.Size", Callable::size},
    {"torch.device", Callable::device},
    {"numpy.core.multiarray.scalar", Callable::numpy_scalar},
    {"numpy._core.multiarray.scalar", Callable::numpy_scalar},
    {"numpy.core.multiarray._reconstruct", Callable::numpy_array},
    {"numpy._core.multiarray._reconstruct", Callable::numpy_array},
    {"numpy.dtype", Callable::numpy_dtype},
    {"numpy.ndarray", Callable::plain},
    {"_codecs.encode", Callable::encode},
    {"builtins.set", Callable::set},
    {"builtins.frozenset", Callable::set},
    {"builtins.bytearray", Callable::byte_array},
    {"builtins.list", Callable::plain},
    {"builtins.dict", Callable::plain},
    {"builtins.int", Callable::plain},
    {"builtins.float", Callable::plain},
};

// "torch.cuda.FloatStorage" gives "FloatStorage"; empty for names outside torch's modules.
std::string_view storage_class(std::string_view name) {
  for (const std::string_view module : {"torch.cuda.", "torch.storage.", "torch."}) {
    if (name.starts_with(module)) {
      const std::string_view rest = name.substr(module.size());
      return element_type_of_storage(rest) ? rest : std::string_view();
    }
  }
  return {};
}

std::string_view torch_dtype(std::string_view name) {
  constexpr std::string_view kModule = "torch.";
  if (!name.starts_with(kModule)) return {};
  const std::string_view rest = name.substr(kModule.size());
  return element_type_of_torch(rest) ? rest : std::string_view();
}

Callable callable_of(std::string_view name) {
  for (const Allowed& allowed : kAllowed) {
    if (allowed.name == name) return allowed.callable;
  }
  if (!storage_class(name).empty()) return Callable::storage;
  if (!torch_dtype(name).empty()) return Callable::plain;
  return Callable::unknown;
}

bool is_callable(const Value& value, Callable callable) {
  return value.is(ValueKind::symbol) && value.integer == static_cast<std::int64_t>(callable);
}

bool is_sequence(const Value& value) {
  return value.is(ValueKind::tuple) || value.is(ValueKind::list);
}

bool is_bytes(const Value& value) {  // Python 2 wrote bytes as text
  return value.is(ValueKind::bytes) || value.is(ValueKind::text);
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 100)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

// Index of the last element of the window plus one; nullopt on overflow or a negative extent.
std::optional<std::int64_t> reach_of(const TensorRecord& record) {
  std::int64_t reach = record.offset;
  std::int64_t numel = 1;
  if (record.offset < 0) return std::nullopt;
  for (std::size_t i = 0; i < record.sizes.size(); ++i) {
    if (record.sizes[i] < 0 || record.strides[i] < 0) return std::nullopt;
    if (__builtin_mul_overflow(numel, std::max<std::int64_t>(record.sizes[i], 1), &numel)) {
      return std::nullopt;
    }
  }
  if (numel > std::numeric_limits<std::int64_t>::max() / 16) return std::nullopt;
  if (std::find(record.sizes.begin(), record.sizes.end(), 0) != record.sizes.end()) return 0;
  for (std::size_t i = 0; i < record.sizes.size(); ++i) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(record.sizes[i] - 1, record.strides[i], &step) ||
        __builtin_add_overflow(reach, step, &reach)) {
      return std::nullopt;
    }
  }
  return __builtin_add_overflow(reach, 1, &reach) ? std::nullopt : std::optional(reach);
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

// ('storage', type, key, location, numel[, view]); view is None or (key, offset, size).
void PickleMachine::push_persistent(Value* id) {
  if (!id->is(ValueKind::tuple) || id->items.empty() || !id->items[0]->is(ValueKind::text)) {
    fail("a persistent id is not a tuple with a name; the file is damaged");
  }
  if (id->items[0]->text == "module") {
    fail(
        "the file holds a whole pickled network, which cannot be read without running its code; "
        "save its state_dict() instead");
  }
  if (id->items[0]->text != "storage" || id->items.size() < 5 || id->items.size() > 6) {
    fail("a persistent id is no storage; the file is damaged");
  }
  if (!is_callable(*id->items[1], Callable::storage)) fail("a storage has no known element type");
  StorageRecord record;
  record.type = *element_type_of_storage(storage_class(id->items[1]->text));
  record.key = argument(*id, 2, ValueKind::text, "the key of a storage").utf8();
  record.numel = integer_argument(*id, 4, "the element count of a storage");
  if (record.numel < 0 || record.numel > (std::int64_t{1} << 56)) {
    fail(fmt::format("storage \"{}\" claims {} elements", printable(record.key), record.numel));
  }
  const auto [it, is_new] =
      storage_by_key_.emplace(record.key, static_cast<int>(result_.storages.size()));
  if (is_new) {
    result_.storages.push_back(record);
  } else if (const StorageRecord& known = result_.storages[static_cast<std::size_t>(it->second)];
             known.type != record.type || known.numel != record.numel) {
    fail(fmt::format("storage \"{}\" is described twice and differently", printable(record.key)));
  }
  StorageView view{.storage = it->second, .offset = 0, .numel = record.numel};
  if (id->items.size() == 6 && !id->items[5]->is(ValueKind::none)) {
    const Value& part = argument(*id, 5, ValueKind::tuple, "the view of a storage");
    view.offset = integer_argument(part, 1, "the offset of a storage view");
    view.numel = integer_argument(part, 2, "the size of a storage view");
    if (view.offset < 0 || view.numel < 0 || view.offset > record.numel - view.numel) {
      fail(fmt::format("a view of storage \"{}\" lies outside it", printable(record.key)));
    }
  }
  Value* value = make(ValueKind::storage);
  value->integer = static_cast<std::int64_t>(result_.storage_views.size());
  result_.storage_views.push_back(view);
  push(value);
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

// ---- tensors ----

// (storage, offset, size, stride, ...); for _rebuild_tensor_v3 argument 6 is the dtype.
Value* PickleMachine::make_tensor(const Value& arguments, bool with_dtype) {
  const Value& storage = argument(arguments, 0, ValueKind::storage, "the storage of a tensor");
  const StorageView& view = result_.storage_views[static_cast<std::size_t>(storage.integer)];
  const StorageRecord& source = result_.storages[static_cast<std::size_t>(view.storage)];
  TensorRecord record;
  record.storage = view.storage;
  record.type = source.type;
  std::int64_t available = view.numel;
  std::int64_t view_offset = view.offset;
  if (with_dtype) {
    const Value& dtype = argument(arguments, 6, ValueKind::symbol, "the type of a tensor");
    const auto type = element_type_of_torch(torch_dtype(dtype.text));
    if (!type) fail("a tensor has an unknown type");
    record.type = *type;
  }
  if (record.type != source.type) {
    if (source.type != ElementType::untyped) fail("a tensor differs in type from its storage");
    const auto bytes = static_cast<std::int64_t>(element_bytes(record.type));
    if (view_offset % bytes != 0) fail("a tensor begins inside an element of its storage");
    available /= bytes;
    view_offset /= bytes;
  }
  record.offset = integer_argument(arguments, 1, "the offset of a tensor");
  record.sizes = extents(argument(arguments, 2, ValueKind::tuple, "the size of a tensor"), "size");
  record.strides =
      extents(argument(arguments, 3, ValueKind::tuple, "the strides of a tensor"), "stride");
  Value* tensor = add_tensor(std::move(record), available);
  result_.tensors.back().offset += view_offset;
  return tensor;
}

Value* PickleMachine::add_tensor(TensorRecord record, std::int64_t available) {
  if (record.sizes.size() != record.strides.size()) {
    fail(fmt::format("a tensor has {} sizes and {} strides", record.sizes.size(),
                     record.strides.size()));
  }
  const std::optional<std::int64_t> reach = reach_of(record);
  if (!reach) fail("a tensor has a negative or overflowing size, stride or offset");
  if (*reach > available) {
    fail(fmt::format("a tensor of size [{}] reaches element {} of a storage of {}",
                     fmt::join(record.sizes, ","), *reach - 1, available));
  }
  Value* value = make(ValueKind::tensor);
  value->integer = static_cast<std::int64_t>(result_.tensors.size());
  result_.tensors.push_back(std::move(record));
  return value;
}

// PyTorch 0.1 to 0.3: (requires_grad, volatile, hooks), or five with the tensor in front.
void PickleMachine::build_parameter(Value& parameter, const Value& state) {
  if (!state.is(ValueKind::tuple)) fail("a parameter has a state that is no tuple");
  if (state.items.size() == 5) {
    if (!state.items[0]->is(ValueKind::tensor)) fail("a parameter holds no tensor");
    parameter.items.clear();
    append(&parameter, {state.items[0]});
  } else if (state.items.size() != 3 || parameter.items.empty()) {
    fail(fmt::format("a parameter has a state of {} items and no tensor", state.items.size()));
  }
}

// ---- numpy ----

Value* PickleMachine::make_numpy_scalar(const Value& arguments) {
  const Value& dtype = argument(arguments, 0, ValueKind::numpy_dtype, "the type of a numpy number");
  if (arguments.items.size() < 2 || !is_bytes(*arguments.items[1])) {
    fail("a numpy number has no bytes");
  }
  const ElementType type = *element_type_of_numpy(dtype.text);
  std::string raw = arguments.items[1]->text;
  if (raw.size() != element_bytes(type)) {
    fail(fmt::format("a numpy {} has {} bytes", dtype.text, raw.size()));
  }
  if (dtype.integer != 0) swap_bytes(raw.data(), 1, type);
  const std::optional<DType> dtype_here = engine_dtype(type);
  if (!dtype_here) fail(fmt::format("a numpy number of type {} is not supported", dtype.text));
  Tensor element = Tensor::empty({}, *dtype_here);
  widen_elements(type, raw.data(), 1, 1, element.raw());
  const bool is_real = is_floating(*dtype_here);
  Value* value = make(is_real                        ? ValueKind::real
                      : type == ElementType::boolean ? ValueKind::boolean
                                                     : ValueKind::integer);
  if (is_real) {
    value->real = element.item();
  } else {
    value->integer = *element.to(DType::i64).data<std::int64_t>();
  }
  return value;
}

// (version, shape, dtype, is_fortran, bytes)
void PickleMachine::build_array(Value& array, const Value& state) {
  const Value& shape = argument(state, 1, ValueKind::tuple, "the shape of a numpy array");
  const Value& dtype = argument(state, 2, ValueKind::numpy_dtype, "the type of a numpy array");
  const bool is_fortran =
      argument(state, 3, ValueKind::boolean, "the order of a numpy array").integer;
  if (state.items.size() < 5 || !is_bytes(*state.items[4])) fail("a numpy array has no bytes");
  TensorRecord record;
  record.inline_bytes = state.items[4];
  record.inline_big_endian = dtype.integer != 0;
  record.type = *element_type_of_numpy(dtype.text);
  record.sizes = extents(shape, "shape");
  record.strides.assign(record.sizes.size(), 1);
  std::int64_t step = 1;
  for (std::size_t i = 0; i < record.sizes.size(); ++i) {
    const std::size_t axis = is_fortran ? i : record.sizes.size() - 1 - i;
    record.strides[axis] = step;
    if (__builtin_mul_overflow(step, record.sizes[axis], &step)) fail("a numpy array is too large");
  }
  const auto bytes = static_cast<std::int64_t>(element_bytes(record.type));
  const auto given = static_cast<std::int64_t>(state.items[4]->text.size());
  if (step < 0 || given % bytes != 0 || step != given / bytes) {
    fail(fmt::format("a numpy array of shape [{}] has {} bytes", fmt::join(record.sizes, ","),
                     given));
  }
  array.integer = add_tensor(std::move(record), step)->integer;
}

}  // namespace akimbo::convert
