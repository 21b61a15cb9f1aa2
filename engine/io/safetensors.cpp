#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <unordered_set>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/json.h"
#include "kernels/common/parallel.h"

namespace akimbo::io {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";

struct StoredType {
  const char* name;
  std::size_t bytes;
  DType dtype;
  bool readable = true;
};

// The first of a DType is the one that is written.
constexpr std::array<StoredType, 15> kStoredTypes = {{
    {"F64", 8, DType::f64},
    {"F32", 4, DType::f32},
    {"BF16", 2, DType::bf16},
    {"F16", 2, DType::f16},
    {"I64", 8, DType::i64},
    {"I32", 4, DType::i32},
    {"U8", 1, DType::u8},
    {"BOOL", 1, DType::u8},
    {"I16", 2, DType::i32},
    {"I8", 1, DType::i32},
    {"U64", 8, DType::i64},
    {"U32", 4, DType::i64},
    {"U16", 2, DType::i32},
    {"F8_E4M3", 1, DType::f32, false},
    {"F8_E5M2", 1, DType::f32, false},
}};

const StoredType& stored_type_of(DType dtype) {
  return *std::find_if(kStoredTypes.begin(), kStoredTypes.end(),
                       [&](const StoredType& type) { return type.dtype == dtype; });
}

const StoredType* find_stored_type(std::string_view name) {
  const auto it = std::find_if(kStoredTypes.begin(), kStoredTypes.end(),
                               [&](const StoredType& type) { return name == type.name; });
  return it == kStoredTypes.end() ? nullptr : &*it;
}

[[noreturn]] void reject(const std::filesystem::path& path, const std::string& reason) {
  throw_error<FileError>(
      "[safetensors] {}: {}; the file is damaged or is not a safetensors file, get it again",
      path.string(), reason);
}

// The JSON library keeps the last of two equal keys; the format forbids them. Nesting deeper than
// the format's is refused while reading, before it can cost memory.
Json parse_strictly(const std::filesystem::path& path, const std::string& header) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > 4) reject(path, "the header is nested too deeply");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      reject(path, fmt::format("the name '{}' appears twice", parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return Json::parse(header, check);
  } catch (const Json::exception& e) {
    reject(path, fmt::format("the header is no valid JSON ({})", e.what()));
  }
}

std::uint64_t require_unsigned(const Json& value, const std::filesystem::path& path,
                               const std::string& name, const char* field) {
  if (!value.is_number_unsigned()) {
    reject(path, fmt::format("{} of '{}' holds {}, a whole number of at least 0 was expected",
                             field, name, value.dump().substr(0, 40)));
  }
  return value.get<std::uint64_t>();
}

// Product of extents and element size; throws when it passes `limit`, so no overflow can hide.
std::uint64_t checked_bytes(const std::vector<std::uint64_t>& dims, std::size_t element_bytes,
                            const std::filesystem::path& path, const std::string& name) {
  if (std::find(dims.begin(), dims.end(), 0u) != dims.end()) return 0;
  std::uint64_t bytes = element_bytes;
  for (const std::uint64_t d : dims) {
    if (__builtin_mul_overflow(bytes, d, &bytes)) {
      reject(path, fmt::format("the shape of '{}' overflows 64 bits", name));
    }
  }
  return bytes;
}

const Json& require_field(const Json& object, const char* field, const std::filesystem::path& path,
                          const std::string& name) {
  if (!object.is_object() || !object.contains(field)) {
    reject(path, fmt::format("tensor '{}' has no field '{}'", name, field));
  }
  return object.at(field);
}

Shape parse_shape(const Json& dims, std::size_t element_bytes, std::uint64_t stored_bytes,
                  const std::filesystem::path& path, const std::string& name) {
  if (!dims.is_array()) reject(path, fmt::format("the shape of '{}' is no list", name));
  std::vector<std::uint64_t> extents;
  for (const Json& d : dims) extents.push_back(require_unsigned(d, path, name, "shape"));
  const std::uint64_t bytes = checked_bytes(extents, element_bytes, path, name);
  if (bytes != stored_bytes) {
    reject(path, fmt::format("'{}' has shape {} of {} bytes, but {} bytes are stored", name,
                             dims.dump().substr(0, 80), bytes, stored_bytes));
  }
  if (extents.size() > Shape::kMaxRank) {
    throw_error<FileError>("[safetensors] {}: '{}' has {} axes, at most {} are supported",
                           path.string(), name, extents.size(), Shape::kMaxRank);
  }
  Shape shape;
  for (const std::uint64_t d : extents) {
    // An extent beside a zero is bound by nothing else.
    if (d > static_cast<std::uint64_t>(INT64_MAX) / 8) {
      reject(path, fmt::format("the shape of '{}' is too large", name));
    }
    shape.push_back(static_cast<std::int64_t>(d));
  }
  return shape;
}

SafetensorsFile::Entry parse_entry(const std::string& name, const Json& fields,
                                   const std::filesystem::path& path) {
  SafetensorsFile::Entry entry;
  entry.name = name;
  const Json& dtype = require_field(fields, "dtype", path, name);
  const StoredType* type =
      dtype.is_string() ? find_stored_type(dtype.get_ref<const std::string&>()) : nullptr;
  if (type == nullptr) {
    reject(path, fmt::format("'{}' has the unknown dtype {}", name, dtype.dump().substr(0, 40)));
  }
  entry.stored_dtype = type->name;
  entry.dtype = type->dtype;
  entry.readable = type->readable;
  const Json& offsets = require_field(fields, "data_offsets", path, name);
  if (!offsets.is_array() || offsets.size() != 2) {
    reject(path, fmt::format("data_offsets of '{}' are not two numbers", name));
  }
  entry.begin = require_unsigned(offsets[0], path, name, "data_offsets");
  entry.end = require_unsigned(offsets[1], path, name, "data_offsets");
  if (entry.begin > entry.end) {
    reject(path, fmt::format("the bytes of '{}' end before they begin", name));
  }
  entry.shape = parse_shape(require_field(fields, "shape", path, name), type->bytes,
                            entry.end - entry.begin, path, name);
  return entry;
}

// Integers of a stored type that memory has no dtype for, widened in place of a plain copy.
template <typename From, typename To>
void widen(const std::vector<unsigned char>& bytes, Tensor& out) {
  To* to = out.data<To>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    to[i] = static_cast<To>(value);
  }
}

void widen_by_name(const std::string& stored, const std::vector<unsigned char>& bytes,
                   Tensor& out) {
  if (stored == "I8") widen<std::int8_t, std::int32_t>(bytes, out);
  if (stored == "I16") widen<std::int16_t, std::int32_t>(bytes, out);
  if (stored == "U16") widen<std::uint16_t, std::int32_t>(bytes, out);
  if (stored == "U32") widen<std::uint32_t, std::int64_t>(bytes, out);
}

void check_readable(const SafetensorsFile::Entry& entry, const std::filesystem::path& path) {
  if (entry.readable) return;
  throw_error<FileError>(
      "[safetensors] {}: '{}' is stored as {}, which is not supported; convert it to F16 or F32",
      path.string(), entry.name, entry.stored_dtype);
}

void check_signed(const Tensor& tensor, const SafetensorsFile::Entry& entry,
                  const std::filesystem::path& path) {
  for (const std::int64_t value : tensor.values<std::int64_t>()) {
    if (value >= 0) continue;
    throw_error<FileError>("[safetensors] {}: '{}' holds numbers past the signed 64-bit range",
                           path.string(), entry.name);
  }
}

// A part of the file that one thread reads at a time.
struct Piece {
  std::uint64_t offset;
  std::byte* to;
  std::size_t bytes;
};

void add_pieces(std::uint64_t offset, Tensor& tensor, std::vector<Piece>& pieces) {
  constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  auto* to = static_cast<std::byte*>(tensor.raw());
  for (std::size_t done = 0; done < tensor.num_bytes(); done += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, tensor.num_bytes() - done);
    pieces.push_back({offset + done, to + done, bytes});
  }
}

std::vector<const std::pair<std::string, Tensor>*> storage_order(const NamedTensors& tensors) {
  std::unordered_set<std::string_view> names;
  std::vector<const std::pair<std::string, Tensor>*> order;
  for (const auto& item : tensors) {
    if (item.first == kMetadataKey || !names.insert(item.first).second) {
      throw_error<ArgumentError>("[safetensors] the name '{}' is {}; give each tensor its own",
                                 item.first,
                                 item.first == kMetadataKey ? "reserved" : "given twice");
    }
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const std::size_t a_bytes = dtype_bytes(a->second.dtype());
    const std::size_t b_bytes = dtype_bytes(b->second.dtype());
    return a_bytes != b_bytes ? a_bytes > b_bytes : a->first < b->first;
  });
  return order;
}

std::string header_of(const std::vector<const std::pair<std::string, Tensor>*>& order,
                      const Metadata& metadata) {
  // Ordered, so that the header lists tensors as they are stored.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::uint64_t offset = 0;
  for (const auto* item : order) {
    const Tensor& tensor = item->second;
    const std::uint64_t end = offset + tensor.num_bytes();
    header[item->first] = {
        {"dtype", stored_type_of(tensor.dtype()).name},
        {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
        {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Names and metadata may come from outside; bytes that are no UTF-8 are replaced, not refused.
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  const auto order = storage_order(tensors);
  const std::string header = header_of(order, metadata);
  write_file_atomic(path, [&](const WriteBytes& write) {
    const auto header_bytes = static_cast<std::uint64_t>(header.size());
    write(&header_bytes, sizeof header_bytes);
    write(header.data(), header.size());
    for (const auto* item : order) {
      const Tensor tensor = item->second.to(kCpu);
      if (tensor.numel() > 0) write(tensor.raw(), tensor.num_bytes());
    }
  });
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  if (file_.size() < 8) reject(path, fmt::format("it has only {} bytes", file_.size()));
  std::uint64_t header_bytes = 0;
  file_.read_at(0, &header_bytes, sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file_.size() - 8) {
    reject(path,
           fmt::format("the header claims {} bytes of a file of {}", header_bytes, file_.size()));
  }
  data_offset_ = 8 + header_bytes;
  std::string header(static_cast<std::size_t>(header_bytes), '\0');
  file_.read_at(8, header.data(), header.size());
  parse_header(header);
  check_ranges();
}

void SafetensorsFile::parse_header(const std::string& header) {
  if (!header.starts_with('{')) reject(path(), "the header does not begin with '{'");
  const Json json = parse_strictly(path(), header);
  for (const auto& [name, fields] : json.items()) {
    if (name != kMetadataKey) {
      entries_.push_back(parse_entry(name, fields, path()));
      continue;
    }
    if (!fields.is_object()) reject(path(), "the metadata are no object");
    for (const auto& [key, value] : fields.items()) {
      if (!value.is_string()) reject(path(), fmt::format("metadata '{}' is no string", key));
      metadata_[key] = value.get<std::string>();
    }
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

void SafetensorsFile::check_ranges() const {
  const std::uint64_t data_bytes = file_.size() - data_offset_;
  std::vector<const Entry*> order;
  for (const Entry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t cursor = 0;
  for (const Entry* entry : order) {
    if (entry->end > data_bytes) {
      reject(path(),
             fmt::format("'{}' ends at byte {} of {}", entry->name, entry->end, data_bytes));
    }
    if (entry->begin != cursor) {
      reject(path(), fmt::format("'{}' begins at byte {}, {} the end {} of the tensor before",
                                 entry->name, entry->begin,
                                 entry->begin < cursor ? "inside" : "after a gap behind", cursor));
    }
    cursor = entry->end;
  }
  if (cursor != data_bytes) {
    reject(path(), fmt::format("{} bytes follow the last tensor", data_bytes - cursor));
  }
}

const SafetensorsFile::Entry* SafetensorsFile::find(std::string_view name) const {
  const auto it =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const Entry& entry, std::string_view key) { return entry.name < key; });
  return it != entries_.end() && it->name == name ? &*it : nullptr;
}

Tensor SafetensorsFile::read(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const Entry& e : entries_) names.push_back(e.name);
    const std::string nearest = nearest_name(name, names);
    throw_error<FileError>("[safetensors] {} holds no tensor '{}'{}", path().string(), name,
                           nearest.empty() ? "" : "; the nearest name is '" + nearest + "'");
  }
  return std::move(read_entries({entry}).front().second);
}

NamedTensors SafetensorsFile::read_all(std::string_view prefix) const {
  NamedTensors tensors = read_if([&](std::string_view name) { return name.starts_with(prefix); });
  for (auto& [name, tensor] : tensors) name.erase(0, prefix.size());
  return tensors;
}

NamedTensors SafetensorsFile::read_if(const std::function<bool(std::string_view)>& wanted) const {
  std::vector<const Entry*> entries;
  for (const Entry& entry : entries_) {
    if (wanted(entry.name)) entries.push_back(&entry);
  }
  return read_entries(entries);
}

NamedTensors SafetensorsFile::read_entries(const std::vector<const Entry*>& entries) const {
  NamedTensors tensors;
  std::vector<Piece> pieces;
  for (const Entry* entry : entries) {
    check_readable(*entry, path());
    tensors.emplace_back(entry->name, Tensor::empty(entry->shape, entry->dtype));
    Tensor& tensor = tensors.back().second;
    if (entry->end - entry->begin == tensor.num_bytes()) {
      add_pieces(data_offset_ + entry->begin, tensor, pieces);
    } else {
      std::vector<unsigned char> stored(static_cast<std::size_t>(entry->end - entry->begin));
      file_.read_at(data_offset_ + entry->begin, stored.data(), stored.size());
      widen_by_name(entry->stored_dtype, stored, tensor);
    }
  }
  kernels::parallel_for(static_cast<std::int64_t>(pieces.size()), 1,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i) {
                            file_.read_at(pieces[i].offset, pieces[i].to, pieces[i].bytes);
                          }
                        });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i]->stored_dtype == "U64") check_signed(tensors[i].second, *entries[i], path());
  }
  return tensors;
}

}  // namespace akimbo::io
