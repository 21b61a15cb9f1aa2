// The only file that includes zlib.
#include "datasets/readers/mat_check.h"

#include <zlib.h>

#include <cstdint>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kMaxUnpackedBytes = std::size_t{1} << 30;
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 27;
constexpr int kMaxDepth = 16;
constexpr int kMaxRank = 8;

// Names of MATLAB's documentation: mi for the type of stored bytes, mx for the class of an array.
enum : std::uint32_t { miINT8 = 1, miINT32 = 5, miUINT32 = 6, miMATRIX = 14, miCOMPRESSED = 15 };
enum : std::uint32_t { mxCELL = 1, mxSTRUCT = 2, mxCHAR = 4, mxDOUBLE = 6, mxUINT64 = 15 };
constexpr std::uint32_t kComplexFlag = 0x0800;

// Bytes of one stored number; 0 for what is no number.
std::size_t bytes_of(std::uint32_t type) {
  switch (type) {
    case 1:
    case 2:
    case 16: return 1;
    case 3:
    case 4:
    case 17: return 2;
    case 5:
    case 6:
    case 7:
    case 18: return 4;
    case 9:
    case 12:
    case 13: return 8;
    default: return 0;
  }
}

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);  // the file's order is the machine's
  return word;
}

struct Element {
  std::uint32_t type = 0;
  std::string_view data;
};

// Elements one after the other in some bytes.
class Walk {
 public:
  Walk(std::string_view bytes, std::size_t place, const std::string& where)
      : bytes_(bytes), place_(place), where_(where) {}

  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  [[nodiscard]] std::size_t place() const { return place_ + at_; }

  Element next(const char* what) {
    if (bytes_.size() - at_ < 8) fail(fmt::format("{} is cut off", what));
    const std::uint32_t word = word_at(bytes_, at_);
    const bool is_small = word >> 16 != 0;
    Element element{is_small ? word & 0xffff : word, {}};
    const std::size_t size = is_small ? word >> 16 : word_at(bytes_, at_ + 4);
    const std::size_t begin = at_ + (is_small ? 4 : 8);
    if (size > bytes_.size() - begin || (is_small && size > 4)) {
      fail(fmt::format("{} says it has {} bytes, but {} are left", what, size,
                       bytes_.size() - begin));
    }
    element.data = bytes_.substr(begin, size);
    // Padded to eight bytes, but for compressed variables.
    std::size_t end = is_small ? at_ + 8 : begin + size;
    if (element.type != miCOMPRESSED) end = (end + 7) / 8 * 8;
    at_ = std::min(end, bytes_.size());
    return element;
  }

  Element next_of(std::uint32_t type, const char* what) {
    const Element element = next(what);
    if (element.type != type) {
      fail(fmt::format("{} is of type {}, type {} was expected", what, element.type, type));
    }
    return element;
  }

  [[noreturn]] void fail(const std::string& text) const {
    throw_error<FileError>("[mat] {}: at byte {} {}; the file is damaged, get it again", where_,
                           place(), text);
  }

 private:
  std::string_view bytes_;
  std::size_t place_;  // of the bytes, in the file
  const std::string& where_;
  std::size_t at_ = 0;
};

class Checker {
 public:
  explicit Checker(const std::string& where) : where_(where) {}

  void variables(std::string_view bytes, std::size_t place, bool compressed) {
    Walk walk(bytes, place, where_);
    while (!walk.at_end()) {
      const std::size_t begin = walk.place();
      const Element element = walk.next("a variable");
      if (element.type == miMATRIX) {
        matrix(element.data, begin, 0);
      } else if (element.type == miCOMPRESSED && !compressed) {
        variables(unpack(element.data, walk), begin, true);
      } else {
        walk.fail(fmt::format("a variable is of type {}", element.type));
      }
    }
  }

 private:
  void matrix(std::string_view bytes, std::size_t place, int depth) {
    Walk walk(bytes, place, where_);
    if (bytes.empty()) return;  // an empty cell
    if (depth > kMaxDepth) walk.fail("cells are nested too deeply");
    const Element flags = walk.next_of(miUINT32, "the flags");
    if (flags.data.size() != 8) walk.fail("the flags are not 8 bytes");
    const std::uint32_t word = word_at(flags.data, 0);
    const std::uint32_t array_class = word & 0xff;
    const std::uint64_t count = num_elements(walk);
    if (walk.next_of(miINT8, "the name").data.size() > 1024) walk.fail("the name is too long");
    if ((word & kComplexFlag) != 0) refuse("complex numbers");
    if (array_class == mxCELL) {
      cells(walk, count, depth);
    } else if (array_class == mxSTRUCT) {
      structs(walk, count, depth);
    } else if (array_class == mxCHAR || (array_class >= mxDOUBLE && array_class <= mxUINT64)) {
      numbers(walk, count);
    } else {
      refuse(fmt::format("a variable of class {}", array_class).c_str());
    }
    if (!walk.at_end()) walk.fail("bytes follow the end of an array");
  }

  std::uint64_t num_elements(Walk& walk) const {
    const Element dims = walk.next_of(miINT32, "the dimensions");
    const std::size_t rank = dims.data.size() / 4;
    if (dims.data.size() % 4 != 0 || rank < 2 || rank > kMaxRank) {
      walk.fail(fmt::format("there are {} bytes of dimensions", dims.data.size()));
    }
    std::uint64_t count = 1;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::uint32_t dim = word_at(dims.data, 4 * i);
      if (dim > kMaxElements || (count *= dim) > kMaxElements) {
        walk.fail("the dimensions are negative or too large");
      }
    }
    return count;
  }

  void numbers(Walk& walk, std::uint64_t count) const {
    const Element data = walk.next("the numbers");
    const std::size_t size = bytes_of(data.type);
    if (size == 0) walk.fail(fmt::format("the numbers are of type {}", data.type));
    if (data.data.size() != count * size) {
      walk.fail(fmt::format("{} bytes hold {} numbers of {} bytes", data.data.size(), count, size));
    }
  }

  void cells(Walk& walk, std::uint64_t count, int depth) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t begin = walk.place();
      matrix(walk.next_of(miMATRIX, "a cell").data, begin, depth + 1);
    }
  }

  void structs(Walk& walk, std::uint64_t count, int depth) {
    const Element length = walk.next_of(miINT32, "the length of field names");
    const std::uint32_t name_bytes = length.data.size() == 4 ? word_at(length.data, 0) : 0;
    const Element names = walk.next_of(miINT8, "the field names");
    if (name_bytes < 1 || name_bytes > 64 || names.data.size() % name_bytes != 0 ||
        names.data.size() > 64 * 1024) {
      walk.fail("the field names do not fit their length");
    }
    cells(walk, count * (names.data.size() / name_bytes), depth);
  }

  // The unpacked bytes live until the next call.
  std::string_view unpack(std::string_view packed, const Walk& walk) {
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK) throw Error("[mat] zlib cannot start");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    unpacked_.clear();
    int code = Z_OK;
    while (code == Z_OK && num_unpacked_ <= kMaxUnpackedBytes) {
      const std::size_t done = unpacked_.size();
      constexpr std::size_t kStep = 1 << 16;
      unpacked_.resize(done + kStep);
      stream.next_out = reinterpret_cast<Bytef*>(unpacked_.data() + done);
      stream.avail_out = kStep;
      code = inflate(&stream, Z_NO_FLUSH);
      unpacked_.resize(done + kStep - stream.avail_out);
      num_unpacked_ += unpacked_.size() - done;
    }
    const bool all_used = stream.avail_in == 0;
    inflateEnd(&stream);
    if (num_unpacked_ > kMaxUnpackedBytes) refuse("more than 1 GiB of variables");
    if (code != Z_STREAM_END || !all_used) walk.fail("a compressed variable cannot be unpacked");
    return unpacked_;
  }

  [[noreturn]] void refuse(const char* what) const {
    throw_error<FileError>("[mat] {} holds {}, which is not read; save only what is needed", where_,
                           what);
  }

  const std::string& where_;
  std::string unpacked_;
  std::size_t num_unpacked_ = 0;
};

}  // namespace

void check_mat_bytes(std::string_view bytes, const std::string& where) {
  if (bytes.starts_with("\x89HDF") || (bytes.size() > 516 && bytes.substr(512, 4) == "\x89HDF")) {
    throw_error<FileError>(
        "[mat] {} is of version 7.3; save it again as version 5: save(..., '-v7') or "
        "scipy.io.savemat",
        where);
  }
  if (bytes.size() < kHeaderBytes || bytes.substr(124, 4) != std::string_view("\x00\x01IM", 4)) {
    throw_error<FileError>(
        "[mat] {} is no MATLAB file of version 5 (little-endian); is it whole, and the right file?",
        where);
  }
  Checker(where).variables(bytes.substr(kHeaderBytes), kHeaderBytes, false);
}

}  // namespace akimbo::datasets
