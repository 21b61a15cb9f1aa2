// Storages, tensors and parameters of PyTorch, numbers and arrays of numpy: windows on bytes,
// checked to lie within them. See pickle.h.
#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "apps/convert/pickle_machine.h"
#include "apps/convert/pickle_names.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

bool is_bytes(const Value& value) {  // Python 2 wrote bytes as text
  return value.is(ValueKind::bytes) || value.is(ValueKind::text);
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

// ---- PyTorch ----

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
