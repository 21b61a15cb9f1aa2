#include "apps/convert/element_type.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

struct TypeRow {
  ElementType type;
  std::size_t bytes;
  std::string_view name, alias, storage, numpy;
  std::optional<DType> dtype;
};

constexpr std::array<TypeRow, 16> kTypes{{
    {ElementType::f64, 8, "float64", "double", "DoubleStorage", "f8", DType::f64},
    {ElementType::f32, 4, "float32", "float", "FloatStorage", "f4", DType::f32},
    {ElementType::f16, 2, "float16", "half", "HalfStorage", "f2", DType::f16},
    {ElementType::bf16, 2, "bfloat16", "bfloat16", "BFloat16Storage", "", DType::bf16},
    {ElementType::i64, 8, "int64", "long", "LongStorage", "i8", DType::i64},
    {ElementType::i32, 4, "int32", "int", "IntStorage", "i4", DType::i32},
    {ElementType::i16, 2, "int16", "short", "ShortStorage", "i2", DType::i32},
    {ElementType::i8, 1, "int8", "int8", "CharStorage", "i1", DType::i32},
    {ElementType::u8, 1, "uint8", "uint8", "ByteStorage", "u1", DType::u8},
    {ElementType::u16, 2, "uint16", "uint16", "", "u2", DType::i32},
    {ElementType::u32, 4, "uint32", "uint32", "", "u4", DType::i64},
    {ElementType::u64, 8, "uint64", "uint64", "", "u8", std::nullopt},
    {ElementType::boolean, 1, "bool", "bool", "BoolStorage", "b1", DType::u8},
    {ElementType::c64, 8, "complex64", "cfloat", "ComplexFloatStorage", "c8", std::nullopt},
    {ElementType::c128, 16, "complex128", "cdouble", "ComplexDoubleStorage", "c16", std::nullopt},
    {ElementType::untyped, 1, "bytes", "", "UntypedStorage", "", std::nullopt},
}};

const TypeRow& row_of(ElementType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [type](const TypeRow& row) { return row.type == type; });
}

template <typename Match>
std::optional<ElementType> first_type(std::string_view name, Match matches) {
  if (name.empty()) return std::nullopt;
  const auto row = std::find_if(kTypes.begin(), kTypes.end(), matches);
  return row == kTypes.end() ? std::nullopt : std::optional(row->type);
}

// Elements may lie at any address: they are copied one by one through `From`.
template <typename From, typename To>
void widen(const void* from, std::int64_t stride, std::int64_t count, void* to) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  const std::int64_t step = stride * static_cast<std::int64_t>(sizeof(From));
  for (std::int64_t i = 0; i < count; ++i) {
    From element;
    std::memcpy(&element, source + i * step, sizeof(From));
    const To wide = static_cast<To>(element);
    std::memcpy(target + i * static_cast<std::int64_t>(sizeof(To)), &wide, sizeof(To));
  }
}

void widen_boolean(const void* from, std::int64_t stride, std::int64_t count, void* to) {
  const auto* source = static_cast<const std::uint8_t*>(from);
  auto* target = static_cast<std::uint8_t*>(to);
  for (std::int64_t i = 0; i < count; ++i) target[i] = source[i * stride] != 0 ? 1 : 0;
}

}  // namespace

std::size_t element_bytes(ElementType type) { return row_of(type).bytes; }
std::string_view element_name(ElementType type) { return row_of(type).name; }
std::optional<DType> engine_dtype(ElementType type) { return row_of(type).dtype; }

std::optional<ElementType> element_type_of_torch(std::string_view name) {
  return first_type(name,
                    [&](const TypeRow& row) { return row.name == name || row.alias == name; });
}

std::optional<ElementType> element_type_of_storage(std::string_view name) {
  return first_type(name, [&](const TypeRow& row) { return row.storage == name; });
}

std::optional<ElementType> element_type_of_numpy(std::string_view code) {
  return first_type(code, [&](const TypeRow& row) { return row.numpy == code; });
}

void swap_bytes(void* elements, std::size_t count, ElementType type) {
  std::size_t bytes = element_bytes(type);
  if (type == ElementType::c64 || type == ElementType::c128) {
    bytes /= 2;
    count *= 2;
  }
  auto* pointer = static_cast<std::byte*>(elements);
  if (bytes == 1) return;
  for (std::size_t i = 0; i < count; ++i)
    std::reverse(pointer + i * bytes, pointer + (i + 1) * bytes);
}

void widen_elements(ElementType type, const void* from, std::int64_t stride, std::int64_t count,
                    void* to) {
  switch (type) {
    case ElementType::f64: return widen<std::uint64_t, std::uint64_t>(from, stride, count, to);
    case ElementType::i64: return widen<std::uint64_t, std::uint64_t>(from, stride, count, to);
    case ElementType::f32: return widen<std::uint32_t, std::uint32_t>(from, stride, count, to);
    case ElementType::i32: return widen<std::uint32_t, std::uint32_t>(from, stride, count, to);
    case ElementType::f16: return widen<std::uint16_t, std::uint16_t>(from, stride, count, to);
    case ElementType::bf16: return widen<std::uint16_t, std::uint16_t>(from, stride, count, to);
    case ElementType::u8: return widen<std::uint8_t, std::uint8_t>(from, stride, count, to);
    case ElementType::i16: return widen<std::int16_t, std::int32_t>(from, stride, count, to);
    case ElementType::i8: return widen<std::int8_t, std::int32_t>(from, stride, count, to);
    case ElementType::u16: return widen<std::uint16_t, std::int32_t>(from, stride, count, to);
    case ElementType::u32: return widen<std::uint32_t, std::int64_t>(from, stride, count, to);
    case ElementType::boolean: return widen_boolean(from, stride, count, to);
    case ElementType::u64:
    case ElementType::c64:
    case ElementType::c128:
    case ElementType::untyped:
      throw_error<FileError>(
          "[torch] {} elements have no type in the engine; store them as float32",
          element_name(type));
  }
}

}  // namespace akimbo::convert
