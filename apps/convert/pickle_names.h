// The names that a pickle may mention, and what each is here. See pickle.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "apps/convert/pickle.h"

namespace akimbo::convert {

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

// By "module.name", compared to the letter.
[[nodiscard]] Callable callable_of(std::string_view name);
// "torch.cuda.FloatStorage" gives "FloatStorage"; empty for names outside torch's modules.
[[nodiscard]] std::string_view storage_class(std::string_view name);
// "torch.float32" gives "float32"; empty for what is no type of elements.
[[nodiscard]] std::string_view torch_dtype(std::string_view name);

// True for the symbol of such a name.
[[nodiscard]] bool is_callable(const Value& value, Callable callable);

// A name of the file, for messages: what is no plain letter becomes '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace akimbo::convert
