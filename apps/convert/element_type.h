// Element types of foreign checkpoints, which are more than the engine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/tensor.h"

namespace akimbo::convert {

enum class ElementType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u8,
  u16,
  u32,
  u64,
  boolean,
  c64,
  c128,
  untyped,  // bytes of a storage whose tensors say the type
};

[[nodiscard]] std::size_t element_bytes(ElementType type);
// "float32", as PyTorch says it.
[[nodiscard]] std::string_view element_name(ElementType type);
// By PyTorch's name of the type ("float32", "half") or of the storage ("FloatStorage").
[[nodiscard]] std::optional<ElementType> element_type_of_torch(std::string_view name);
[[nodiscard]] std::optional<ElementType> element_type_of_storage(std::string_view name);
// By numpy's code ("f4").
[[nodiscard]] std::optional<ElementType> element_type_of_numpy(std::string_view code);

// The engine's type that holds every value exactly: i8 and i16 become i32, booleans u8, and so on.
// None for complex numbers and u64.
[[nodiscard]] std::optional<DType> engine_dtype(ElementType type);

// Reverses the bytes of each element (of each half of a complex one).
void swap_bytes(void* elements, std::size_t count, ElementType type);

// Writes `count` elements to `to` in the type engine_dtype(type); `from` steps by `stride`.
void widen_elements(ElementType type, const void* from, std::int64_t stride, std::int64_t count,
                    void* to);

}  // namespace akimbo::convert
