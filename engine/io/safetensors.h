// Checkpoint files of named tensors in the safetensors format: a length, a JSON header (names,
// dtypes, shapes, byte ranges, string metadata), then the elements, row-major and little-endian.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/io/file.h"

namespace akimbo::io {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using Metadata = std::map<std::string, std::string>;

// Writes atomically: a crash or a full disk leaves an earlier file of this name untouched. Tensors
// are stored by descending element size, then name, so that each is aligned; none is copied on the
// way out. Throws ArgumentError for a name given twice, FileError when writing fails.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata = {});

// An opened file whose header was read and checked; elements are read on demand, straight into
// their tensor.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    std::string stored_dtype;  // "F32", "BF16", "BOOL", ... as the file says
    DType dtype = DType::f32;  // in memory: BOOL is u8; I8, I16, U16 are i32; U32, U64 are i64
    bool readable = true;      // false for the 8-bit floats, which are listed only
    Shape shape;
    std::uint64_t begin = 0;  // bytes, from the start of the elements
    std::uint64_t end = 0;
  };

  // Throws FileError that names the file and the first thing wrong with it: length of the header,
  // JSON, dtypes, shapes, ranges, overlaps, holes, duplicate names, bytes left over.
  explicit SafetensorsFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }  // by name
  [[nodiscard]] bool contains(std::string_view name) const { return find(name) != nullptr; }
  // One tensor. Throws FileError for an unknown name, with the nearest known one.
  [[nodiscard]] Tensor read(std::string_view name) const;
  // Every tensor whose name starts with `prefix`, which is cut off.
  [[nodiscard]] NamedTensors read_all(std::string_view prefix = "") const;
  // Every tensor whose name is wanted. Both use all threads.
  [[nodiscard]] NamedTensors read_if(const std::function<bool(std::string_view)>& wanted) const;

 private:
  [[nodiscard]] const Entry* find(std::string_view name) const;
  [[nodiscard]] NamedTensors read_entries(const std::vector<const Entry*>& entries) const;
  void parse_header(const std::string& header);
  void check_ranges() const;

  RandomAccessFile file_;
  std::uint64_t data_offset_ = 0;
  Metadata metadata_;
  std::vector<Entry> entries_;
};

}  // namespace akimbo::io
