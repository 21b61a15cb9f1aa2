#include "apps/convert/pickle_names.h"

namespace akimbo::convert {
namespace {

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

}  // namespace

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

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 100)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

}  // namespace akimbo::convert
