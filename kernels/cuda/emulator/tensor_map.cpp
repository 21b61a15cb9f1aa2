#include "kernels/cuda/emulator/tensor_map.h"

#include <cstring>

namespace akimbo::kernels::device {

using emulator::MapContents;

namespace {

constexpr std::uint64_t kMagic = 0x74656e736f726d70u;

MapContents contents_with(DType dtype, const void* data, int rank, const std::int64_t* extents,
                          const std::int64_t* strides, Swizzle swizzle) {
  MapContents map{};
  map.magic = kMagic;
  map.data = static_cast<const unsigned char*>(data);
  map.strides[0] = dtype == DType::f32 ? 4 : 2;
  for (int i = 0; i < rank; ++i) map.last[i] = static_cast<std::uint32_t>(extents[i] - 1);
  for (int i = 1; i < rank; ++i) map.strides[i] = strides[i - 1];
  for (auto& stride : map.element_strides) stride = 1;
  map.rank = static_cast<std::uint8_t>(rank);
  map.swizzle = swizzle;
  return map;
}

void keep(TensorMap& map, const MapContents& contents) {
  std::memset(map.bytes, 0, sizeof(map.bytes));
  std::memcpy(map.bytes, &contents, sizeof(contents));
}

}  // namespace

bool make_tiled_map(TensorMap& map, const TiledMapShape& s) {
  if (!refusal_of(s).empty()) return false;
  MapContents contents = contents_with(s.dtype, s.data, s.rank, s.extents, s.strides, s.swizzle);
  for (int i = 0; i < s.rank; ++i) {
    contents.box[i] = static_cast<std::uint16_t>(s.box[i]);
    if (i > 0) contents.element_strides[i] = static_cast<std::uint8_t>(s.element_strides[i]);
  }
  keep(map, contents);
  return true;
}

bool make_im2col_map(TensorMap& map, const Im2colMapShape& s) {
  if (!refusal_of(s).empty()) return false;
  MapContents contents = contents_with(s.dtype, s.data, 4, s.extents, s.strides, s.swizzle);
  contents.is_im2col = true;
  contents.box[0] = static_cast<std::uint16_t>(s.channels_per_pixel);
  contents.box[1] = static_cast<std::uint16_t>(s.pixels_per_column);
  contents.element_strides[1] = static_cast<std::uint8_t>(s.stride_w);
  contents.element_strides[2] = static_cast<std::uint8_t>(s.stride_h);
  contents.lower[0] = static_cast<std::int8_t>(s.lower_w);
  contents.lower[1] = static_cast<std::int8_t>(s.lower_h);
  contents.upper[0] = static_cast<std::int8_t>(s.upper_w);
  contents.upper[1] = static_cast<std::int8_t>(s.upper_h);
  keep(map, contents);
  return true;
}

bool runs_hopper_code() { return true; }

namespace emulator {
namespace {

// Last base pixel of the box along W (0) or H (1).
std::int64_t last_base(const MapContents& map, int axis) {
  return static_cast<std::int64_t>(map.last[1 + axis]) + map.upper[axis];
}

// Elements of the box along dimension i, of which every element_strides[i]-th is taken.
int taken(const MapContents& map, int i) {
  return (map.box[i] + map.element_strides[i] - 1) / map.element_strides[i];
}

// Writes one row of a tile, `count` elements from `coordinates` on; zeros where the tensor has
// none.
class RowWriter {
 public:
  RowWriter(const MapContents& map, unsigned char* to, std::uint32_t address, int count)
      : map_(map), to_(to), address_(address), count_(count) {}

  void write(const std::int64_t (&coordinates)[5]) {
    bool is_inside = true;
    const unsigned char* from = map_.data;
    for (int i = 1; i < map_.rank; ++i) {
      is_inside = is_inside && coordinates[i] >= 0 && coordinates[i] <= map_.last[i];
      if (is_inside) from += coordinates[i] * map_.strides[i];
    }
    const auto bytes = static_cast<std::uint32_t>(map_.strides[0]);
    for (int i = 0; i < count_; ++i, at_ += bytes) {
      const std::int64_t c = coordinates[0] + i;
      unsigned char* element = to_ + (swizzled_address(address_ + at_, map_.swizzle) - address_);
      if (is_inside && c >= 0 && c <= map_.last[0]) {
        std::memcpy(element, from + c * map_.strides[0], bytes);
      } else {
        std::memset(element, 0, bytes);
      }
    }
  }

 private:
  const MapContents& map_;
  unsigned char* to_;
  std::uint32_t address_;
  int count_;
  std::uint32_t at_ = 0;  // bytes written
};

void copy_tile(const MapContents& map, const TensorPlace& place, RowWriter& rows) {
  int index[5] = {};
  for (;;) {
    std::int64_t coordinates[5] = {};
    for (int i = 0; i < map.rank; ++i) {
      coordinates[i] =
          static_cast<std::int64_t>(place.coordinates[i]) + index[i] * map.element_strides[i];
    }
    rows.write(coordinates);
    int i = 1;
    while (i < map.rank && ++index[i] == taken(map, i)) index[i++] = 0;
    if (i >= map.rank) return;
  }
}

// Base pixels run along W, then H, then to the next image; each row of the box begins at its lower
// corner.
void copy_pixels(const MapContents& map, const TensorPlace& place, RowWriter& rows) {
  std::int64_t w = place.coordinates[1], h = place.coordinates[2], n = place.coordinates[3];
  for (int pixel = 0; pixel < map.box[1]; ++pixel) {
    rows.write({place.coordinates[0], w + place.offsets[0], h + place.offsets[1], n, 0});
    w += map.element_strides[1];
    if (w <= last_base(map, 0)) continue;
    w = map.lower[0];
    h += map.element_strides[2];
    if (h <= last_base(map, 1)) continue;
    h = map.lower[1];
    ++n;
  }
}

// The PTX ISA wants the base in the box; that it is one of the pixels which the stride reaches from
// the lower corner is our rule, as nothing says what follows otherwise.
std::string fault_of_base(const MapContents& map, const TensorPlace& place, int axis) {
  const std::string name = axis == 0 ? "W" : "H";
  const int base = place.coordinates[1 + axis], lower = map.lower[axis];
  if (base < lower || base > last_base(map, axis)) {
    return "base pixel " + std::to_string(base) + " in " + name + " is outside the box [" +
           std::to_string(lower) + ", " + std::to_string(last_base(map, axis)) + "]";
  }
  if ((base - lower) % map.element_strides[1 + axis] != 0) {
    return "base pixel " + std::to_string(base) + " in " + name + " is not on the stride's grid";
  }
  if (place.offsets[axis] < 0 || place.offsets[axis] > 255) {
    return "offset " + std::to_string(place.offsets[axis]) + " in " + name + " is outside [0, 255]";
  }
  return "";
}

}  // namespace

std::string read_map(const TensorMap* map, MapContents& contents) {
  if (reinterpret_cast<std::uintptr_t>(map) % alignof(TensorMap) != 0) {
    return "by a tensor map that is not aligned to 64 bytes";
  }
  std::memcpy(&contents, map->bytes, sizeof(contents));
  return contents.magic == kMagic ? "" : "by a tensor map that was not made";
}

std::string fault_of_place(const MapContents& map, const TensorPlace& place) {
  if (map.is_im2col != place.is_im2col) return "by a tensor map of the other kind";
  if (map.rank != place.rank) {
    return "by a tensor map of " + std::to_string(map.rank) + " dimensions";
  }
  if (!map.is_im2col) return "";
  const std::string fault = fault_of_base(map, place, 0);
  return fault.empty() ? fault_of_base(map, place, 1) : fault;
}

int copied_bytes(const MapContents& map) {
  int elements = 1;
  if (map.is_im2col) {
    elements = map.box[0] * map.box[1];
  } else {
    for (int i = 0; i < map.rank; ++i) elements *= taken(map, i);
  }
  return elements * static_cast<int>(map.strides[0]);
}

void copy_box(const MapContents& map, const TensorPlace& place, unsigned char* to,
              std::uint32_t address) {
  RowWriter rows(map, to, address, map.box[0]);
  if (map.is_im2col) {
    copy_pixels(map, place, rows);
  } else {
    copy_tile(map, place, rows);
  }
}

}  // namespace emulator
}  // namespace akimbo::kernels::device
