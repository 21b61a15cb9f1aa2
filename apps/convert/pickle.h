// Reads Python pickles as PyTorch writes them, as data: a stack machine that builds a tree of plain
// values. Names of classes and functions stay symbols; nothing is ever imported or called, and a
// name that is not on the list of harmless ones ends the reading. Sizes, depth and counts are
// bounded, so that a hostile file costs neither memory nor time beyond its own length.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "apps/convert/byte_reader.h"
#include "apps/convert/element_type.h"

namespace akimbo::convert {

enum class ValueKind : std::uint8_t {
  none,
  boolean,      // integer
  integer,      // integer
  big_integer,  // text: little-endian two's complement
  real,         // real
  text,         // text: UTF-8 (lone surrogates possible), or raw bytes of a Python 2 string
  bytes,        // text
  tuple,        // items
  list,         // items
  set,          // items
  dict,         // items: key, value, key, value ...; of equal keys the last counts
  symbol,       // text: "module.name"; integer: an implementation detail
  storage,      // integer: index into Pickle::storage_views
  tensor,       // integer: index into Pickle::tensors
  array,        // numpy array; integer: index into Pickle::tensors, or -1 before its state came
  parameter,    // items: its tensor
  numpy_dtype,  // text: code ("f8"); integer: 1 if big-endian
  opaque,       // text: name of an unknown class, only with PickleOptions::keep_unknown
};

// Owned by the Pickle; shared where the file shares it, so there may be cycles.
struct Value {
  ValueKind kind = ValueKind::none;
  std::uint16_t depth = 0;  // levels of containers below, as far as known when it was filled
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Value*> items;

  [[nodiscard]] bool is(ValueKind k) const { return kind == k; }
  // Value of a dict by text key, the last one of that name; null when absent or not a dict.
  [[nodiscard]] const Value* find(std::string_view key) const;
  // Text as UTF-8: a Python 2 string that is not UTF-8 is taken as Latin-1.
  [[nodiscard]] std::string utf8() const;
};

// A block of elements named by the file; the bytes come from elsewhere in it.
struct StorageRecord {
  std::string key;
  ElementType type = ElementType::f32;
  std::int64_t numel = 0;
};

// Part of a storage: all of it, except in very old files.
struct StorageView {
  int storage = 0;  // index into Pickle::storages
  std::int64_t offset = 0;
  std::int64_t numel = 0;
};

// A strided window on a storage, checked to lie within it. Offset and strides count elements.
struct TensorRecord {
  int storage = -1;  // index into Pickle::storages; -1: elements are in `inline_bytes`
  const Value* inline_bytes = nullptr;
  bool inline_big_endian = false;
  ElementType type = ElementType::f32;
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes, strides;

  [[nodiscard]] std::int64_t numel() const;
};

struct PickleOptions {
  // Unknown classes become opaque values instead of an error. They are inert.
  bool keep_unknown = false;
};

struct Pickle {
  const Value* root = nullptr;
  std::deque<Value> values;  // owns every node
  std::vector<StorageRecord> storages;
  std::vector<StorageView> storage_views;
  std::vector<TensorRecord> tensors;

  // The tensor behind a tensor, parameter or array value; null for other values.
  [[nodiscard]] const TensorRecord* tensor_of(const Value& value) const;
};

// Parses one pickle, from the reader's position to behind its STOP. Throws FileError with file and
// byte for anything malformed, forbidden or beyond the limits.
[[nodiscard]] Pickle read_pickle(ByteReader& reader, const PickleOptions& options = {});

}  // namespace akimbo::convert
