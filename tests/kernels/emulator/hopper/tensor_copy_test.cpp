// Copies by TMA on the emulator, against plain loops over the tensor.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "kernels/cuda/hopper.cuh"
#include "tests/kernels/emulator/faults.h"

namespace akimbo::kernels {
namespace {

using namespace device;

constexpr int kMaxElements = 16 * 1024;  // of a tile, 16-bit

struct Place {
  int c[4];
  int offsets[2];
};

// Copies one tile and writes it out as it lies in shared memory.
__global__ void copy_kernel(AKIMBO_GRID_CONSTANT const TensorMap map, int rank, Place p, int bytes,
                            std::uint16_t* tile) {
  auto* shared = swizzled_shared<std::uint16_t>();
  auto* barrier = reinterpret_cast<Barrier*>(shared + kMaxElements);
  if (threadIdx.x == 0) {
    prefetch_tensor_map(&map);
    barrier_init(barrier, 1);
    fence_barrier_init();
  }
  sync_block();
  if (threadIdx.x == 0) {
    barrier_arrive_expect(barrier, bytes);
    if (rank == 2) copy_tensor_2d(shared, &map, barrier, p.c[0], p.c[1]);
    if (rank == 3) copy_tensor_3d(shared, &map, barrier, p.c[0], p.c[1], p.c[2]);
    if (rank == 4) copy_tensor_4d(shared, &map, barrier, p.c[0], p.c[1], p.c[2], p.c[3]);
    if (rank == 0) {
      copy_tensor_im2col(shared, &map, barrier, p.c[0], p.c[1], p.c[2], p.c[3], p.offsets[0],
                         p.offsets[1]);
    }
  }
  barrier_wait(barrier, 0);
  for (int i = static_cast<int>(threadIdx.x); i < bytes / 2; i += 32) tile[i] = shared[i];
}

std::vector<std::uint16_t> copied(const TensorMap& map, int rank, const Place& place,
                                  int num_elements) {
  std::vector<std::uint16_t> tile(static_cast<std::size_t>(num_elements), 0x7777);
  launch({}, "copy_kernel", {.grid = {1}, .block = {32}, .shared_bytes = kMaxElements * 2 + 8},
         copy_kernel, map, rank, place, num_elements * 2, tile.data());
  return tile;
}

// Aligned to 16 bytes, no element 0.
std::vector<std::uint16_t> numbered(std::int64_t count) {
  std::vector<std::uint16_t> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint16_t>(1 + i % 60000);
  return x;
}

// Where element i of an unswizzled tile is, by the tables of the PTX ISA ("Swizzling modes"):
// chunks of 16 bytes in lines of 128, chunk c of line l at c ^ (l mod 2, 4 or 8).
int swizzled_index(int i, Swizzle swizzle) {
  const int line = i / 64, chunk = i / 8 % 8;
  const int lines = swizzle == Swizzle::none       ? 1
                    : swizzle == Swizzle::bytes_32 ? 2
                    : swizzle == Swizzle::bytes_64 ? 4
                                                   : 8;
  return line * 64 + (chunk ^ line % lines) * 8 + i % 8;
}

constexpr Swizzle kSwizzles[] = {Swizzle::none, Swizzle::bytes_32, Swizzle::bytes_64,
                                 Swizzle::bytes_128};

// ---- boxes ----

// Rows of `pitch` elements, of which `extents[0]` are the tensor's.
struct Tensor4 {
  explicit Tensor4(const std::array<int, 4>& e) : extents(e), pitch((e[0] + 7) / 8 * 8 + 8) {
    data = numbered(std::int64_t{pitch} * e[1] * e[2] * e[3]);
  }
  [[nodiscard]] std::uint16_t at(const std::array<int, 4>& c) const {
    for (std::size_t i = 0; i < 4; ++i) {
      if (c[i] < 0 || c[i] >= extents[i]) return 0;
    }
    const int row = (c[3] * extents[2] + c[2]) * extents[1] + c[1];
    return data[static_cast<std::size_t>(row * pitch + c[0])];
  }
  std::array<int, 4> extents;
  int pitch;
  std::vector<std::uint16_t> data;
};

void expect_box(const Tensor4& x, int rank, const std::array<int, 4>& box,
                const std::array<int, 4>& steps, Swizzle swizzle, const std::array<int, 4>& from) {
  TiledMapShape shape;
  shape.dtype = DType::f16;
  shape.data = x.data.data();
  shape.rank = rank;
  std::int64_t stride = 2 * std::int64_t{x.pitch};
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    shape.extents[i] = x.extents[at];
    if (i > 0) {
      shape.strides[i - 1] = stride;
      stride *= x.extents[at];
    }
    shape.box[i] = box[at];
    shape.element_strides[i] = steps[at];
  }
  shape.swizzle = swizzle;
  TensorMap map;
  ASSERT_EQ(refusal_of(shape), "");
  ASSERT_TRUE(make_tiled_map(map, shape));
  std::vector<std::uint16_t> expected;
  const auto count = [&](std::size_t i) { return (box[i] + steps[i] - 1) / steps[i]; };
  for (int l = 0; l < (rank > 3 ? count(3) : 1); ++l) {
    for (int k = 0; k < (rank > 2 ? count(2) : 1); ++k) {
      for (int j = 0; j < count(1); ++j) {
        for (int i = 0; i < box[0]; ++i) {
          expected.push_back(x.at({from[0] + i, from[1] + j * steps[1], from[2] + k * steps[2],
                                   from[3] + l * steps[3]}));
        }
      }
    }
  }
  const auto tile = copied(map, rank, {{from[0], from[1], from[2], from[3]}, {}},
                           static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto at = static_cast<std::size_t>(swizzled_index(static_cast<int>(i), swizzle));
    ASSERT_EQ(tile[at], expected[i]) << "element " << i << ", swizzle " << swizzle_bytes(swizzle);
  }
}

TEST(TensorCopy, MovesBoxesWithEverySwizzle) {
  const Tensor4 x({70, 19, 3, 2});
  for (const Swizzle swizzle : kSwizzles) {
    const int width = swizzle == Swizzle::none ? 24 : swizzle_bytes(swizzle) / 2;
    expect_box(x, 2, {width, 16, 1, 1}, {1, 1, 1, 1}, swizzle, {0, 0, 0, 0});
    expect_box(x, 3, {width, 9, 2, 1}, {1, 1, 1, 1}, swizzle, {8, 3, 1, 0});
    // Beyond every end.
    expect_box(x, 4, {width, 8, 3, 2}, {1, 1, 1, 1}, swizzle, {64, 14, 1, 1});
    expect_box(x, 4, {width, 8, 3, 2}, {1, 1, 1, 1}, swizzle, {-5, -2, -1, -1});
    expect_box(x, 3, {width, 7, 3, 1}, {1, 2, 3, 1}, swizzle, {3, 1, 0, 0});
  }
}

TEST(TensorCopy, ElementsOfFourBytesAreMovedWhole) {
  const auto data = numbered(48 * 10);
  TiledMapShape shape = {.dtype = DType::f16,
                         .data = data.data(),
                         .rank = 2,
                         .extents = {44, 10},
                         .strides = {96},
                         .box = {32, 6},
                         .swizzle = Swizzle::bytes_64};
  TensorMap halves, floats;
  ASSERT_TRUE(make_tiled_map(halves, shape));
  shape.dtype = DType::f32;
  shape.extents[0] /= 2;
  shape.box[0] /= 2;
  ASSERT_TRUE(make_tiled_map(floats, shape));
  EXPECT_EQ(copied(floats, 2, {{10, 7}, {}}, 32 * 6), copied(halves, 2, {{20, 7}, {}}, 32 * 6));
}

// ---- im2col ----

struct Conv {
  int n, h, w, c, kh, kw, stride, padding, dilation;
  [[nodiscard]] int out(int extent, int k) const {
    return (extent + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
  }
};

// The patch matrix of a convolution, tile by tile, against its definition.
void expect_patches(const Conv& conv, int pixels, int channels, Swizzle swizzle) {
  const Tensor4 x({conv.c, conv.w, conv.h, conv.n});
  const int out_h = conv.out(conv.h, conv.kh), out_w = conv.out(conv.w, conv.kw);
  Im2colMapShape shape;
  shape.data = x.data.data();
  std::copy(x.extents.begin(), x.extents.end(), shape.extents);
  shape.strides[0] = 2 * x.pitch;
  shape.strides[1] = shape.strides[0] * conv.w;
  shape.strides[2] = shape.strides[1] * conv.h;
  shape.lower_w = shape.lower_h = -conv.padding;
  shape.upper_w = -conv.padding + (out_w - 1) * conv.stride + 1 - conv.w;
  shape.upper_h = -conv.padding + (out_h - 1) * conv.stride + 1 - conv.h;
  shape.channels_per_pixel = channels;
  shape.pixels_per_column = pixels;
  shape.stride_w = shape.stride_h = conv.stride;
  shape.swizzle = swizzle;
  TensorMap map;
  ASSERT_EQ(refusal_of(shape), "");
  ASSERT_TRUE(make_im2col_map(map, shape));
  const int num_pixels = conv.n * out_h * out_w;
  for (int first = 0; first < num_pixels; first += pixels) {
    for (int tap = 0; tap < conv.kh * conv.kw; ++tap) {
      const int c0 = tap % 2 * channels;
      const int r = tap / conv.kw * conv.dilation, s = tap % conv.kw * conv.dilation;
      const auto base = [&](int pixel, int axis) {
        const int q = axis == 0 ? pixel % out_w : pixel / out_w % out_h;
        return q * conv.stride - conv.padding;
      };
      const auto tile =
          copied(map, 0, {{c0, base(first, 0), base(first, 1), first / (out_h * out_w)}, {s, r}},
                 pixels * channels);
      for (int i = 0; i < pixels * channels; ++i) {
        const int pixel = first + i / channels;
        const std::uint16_t expected = x.at(
            {c0 + i % channels, base(pixel, 0) + s, base(pixel, 1) + r, pixel / (out_h * out_w)});
        ASSERT_EQ(tile[static_cast<std::size_t>(swizzled_index(i, swizzle))], expected)
            << "pixel " << pixel << ", tap " << r << "," << s << ", channel " << c0 + i % channels;
      }
    }
  }
}

TEST(TensorCopy, Im2colGivesThePatchesOfAConvolution) {
  expect_patches({2, 5, 7, 72, 3, 3, 1, 1, 1}, 32, 64, Swizzle::bytes_128);
  expect_patches({3, 9, 6, 33, 3, 3, 2, 1, 1}, 16, 32, Swizzle::bytes_64);
  expect_patches({2, 8, 11, 20, 3, 2, 1, 2, 2}, 64, 16, Swizzle::bytes_32);
  expect_patches({1, 13, 10, 8, 4, 5, 3, 2, 1}, 8, 8, Swizzle::none);
  expect_patches({2, 4, 4, 40, 1, 1, 1, 0, 1}, 48, 64, Swizzle::bytes_128);
  expect_patches({1, 12, 12, 16, 7, 7, 2, 3, 1}, 24, 16, Swizzle::bytes_32);
}

// ---- limits ----

TEST(TensorMap, RefusesWhatTheHardwareDoes) {
  alignas(16) static std::uint16_t data[64];
  const TiledMapShape good = {.dtype = DType::bf16,
                              .data = data,
                              .rank = 2,
                              .extents = {64, 10},
                              .strides = {128},
                              .box = {64, 8},
                              .swizzle = Swizzle::bytes_128};
  EXPECT_EQ(refusal_of(good), "");
  const auto refusal = [&](auto change) {
    TiledMapShape shape = good;
    change(shape);
    TensorMap map;
    EXPECT_EQ(make_tiled_map(map, shape), refusal_of(shape).empty());
    return refusal_of(shape);
  };
  EXPECT_EQ(refusal([](auto& s) { s.rank = 6; }), "rank 6 is outside [1, 5]");
  EXPECT_NE(refusal([](auto& s) { s.dtype = DType::f64; }), "");
  EXPECT_EQ(refusal([](auto& s) { s.data = data + 1; }), "data is not aligned to 16 bytes");
  EXPECT_NE(refusal([](auto& s) { s.extents[1] = 0; }), "");
  EXPECT_NE(refusal([](auto& s) { s.extents[1] = (std::int64_t{1} << 32) + 1; }), "");
  EXPECT_NE(refusal([](auto& s) { s.strides[0] = 136; }), "");
  EXPECT_NE(refusal([](auto& s) { s.strides[0] = std::int64_t{1} << 40; }), "");
  EXPECT_NE(refusal([](auto& s) { s.box[1] = 257; }), "");
  EXPECT_NE(refusal([](auto& s) { s.box[1] = 0; }), "");
  EXPECT_NE(refusal([](auto& s) { s.box[0] = 72; }), "");
  EXPECT_NE(refusal([](auto& s) { s.box[0] = 4, s.swizzle = Swizzle::none; }), "");
  EXPECT_NE(refusal([](auto& s) { s.element_strides[1] = 9; }), "");
  EXPECT_EQ(refusal([](auto& s) { s.box[1] = 256, s.element_strides[1] = 8; }), "");
}

TEST(TensorMap, RefusesIm2colThatTheHardwareDoes) {
  alignas(16) static std::uint16_t data[64];
  const Im2colMapShape good = {.dtype = DType::f16,
                               .data = data,
                               .extents = {64, 10, 10, 2},
                               .strides = {128, 1280, 12800},
                               .lower_w = -1,
                               .lower_h = -1,
                               .upper_w = -1,
                               .upper_h = -1,
                               .channels_per_pixel = 64,
                               .pixels_per_column = 128,
                               .swizzle = Swizzle::bytes_128};
  EXPECT_EQ(refusal_of(good), "");
  const auto refusal = [&](auto change) {
    Im2colMapShape shape = good;
    change(shape);
    TensorMap map;
    EXPECT_EQ(make_im2col_map(map, shape), refusal_of(shape).empty());
    return refusal_of(shape);
  };
  EXPECT_NE(refusal([](auto& s) { s.data = data + 4; }), "");
  EXPECT_NE(refusal([](auto& s) { s.strides[2] = 8; }), "");
  EXPECT_NE(refusal([](auto& s) { s.lower_w = -129; }), "");
  EXPECT_NE(refusal([](auto& s) { s.upper_h = 128; }), "");
  EXPECT_EQ(refusal([](auto& s) { s.lower_h = -128, s.upper_h = 127; }), "");
  EXPECT_EQ(refusal([](auto& s) { s.upper_w = -11; }), "the box is empty in W");
  EXPECT_NE(refusal([](auto& s) { s.channels_per_pixel = 32; }), "");
  EXPECT_NE(refusal([](auto& s) { s.channels_per_pixel = 264, s.swizzle = Swizzle::none; }), "");
  EXPECT_EQ(refusal([](auto& s) { s.pixels_per_column = 1024; }), "");
  EXPECT_NE(refusal([](auto& s) { s.pixels_per_column = 1025; }), "");
  EXPECT_NE(refusal([](auto& s) { s.stride_h = 9; }), "");
  EXPECT_NE(refusal([](auto& s) { s.stride_w = 0; }), "");
}

}  // namespace
}  // namespace akimbo::kernels
