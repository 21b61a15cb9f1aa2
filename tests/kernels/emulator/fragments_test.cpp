// Fragments of ldmatrix and mma on the emulator, after the PTX ISA's own words.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cuda/device.cuh"
#include "tests/kernels/emulator/fragments.h"

namespace akimbo::kernels {
namespace {

using namespace device;

template <typename T>
__global__ void mma_kernel(const float* a, const float* b, float* d) {
  const int lane = lane_index();
  std::uint32_t ra[4] = {}, rb[2] = {};
  for (int i = 0; i < 8; ++i) {
    const auto [row, column] = a_place(lane, i);
    ra[i / 2] |= std::uint32_t{T(a[row * 16 + column]).bits} << (16 * (i % 2));
  }
  for (int i = 0; i < 4; ++i) {
    const auto [row, column] = b_place(lane, i);
    rb[i / 2] |= std::uint32_t{T(b[row * 8 + column]).bits} << (16 * (i % 2));
  }
  float rd[4];
  for (int i = 0; i < 4; ++i) rd[i] = d[c_place(lane, i).row * 8 + c_place(lane, i).column];
  if constexpr (std::is_same_v<T, BFloat16>) {
    mma_bf16(rd, ra, rb);
  } else {
    mma_f16(rd, ra, rb);
  }
  for (int i = 0; i < 4; ++i) d[c_place(lane, i).row * 8 + c_place(lane, i).column] = rd[i];
}

__global__ void mma_tf32_kernel(const float* a, const float* b, float* d) {
  const int lane = lane_index();
  std::uint32_t ra[4], rb[2];
  for (int i = 0; i < 4; ++i) {
    ra[i] = to_tf32(a[a_place_tf32(lane, i).row * 8 + a_place_tf32(lane, i).column]);
  }
  for (int i = 0; i < 2; ++i) {
    rb[i] = to_tf32(b[b_place_tf32(lane, i).row * 8 + b_place_tf32(lane, i).column]);
  }
  float rd[4];
  for (int i = 0; i < 4; ++i) rd[i] = d[c_place(lane, i).row * 8 + c_place(lane, i).column];
  mma_tf32(rd, ra, rb);
  for (int i = 0; i < 4; ++i) d[c_place(lane, i).row * 8 + c_place(lane, i).column] = rd[i];
}

// The inputs are multiples of 1/64 below 2: products and sums are exact in every type.
void expect_multiplies(void (*kernel)(const float*, const float*, float*), int depth) {
  std::vector<float> a(16 * 16), b(16 * 8), d(16 * 8), expected(16 * 8);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = random_value(static_cast<int>(i));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = random_value(static_cast<int>(i) + 1000);
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = random_value(static_cast<int>(i) + 2000);
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 8; ++n) {
      double sum = d[static_cast<std::size_t>(m * 8 + n)];
      for (int k = 0; k < depth; ++k) {
        sum += static_cast<double>(a[static_cast<std::size_t>(m * depth + k)]) *
               b[static_cast<std::size_t>(k * 8 + n)];
      }
      expected[static_cast<std::size_t>(m * 8 + n)] = static_cast<float>(sum);
    }
  }
  launch({}, "mma_kernel", {.grid = {1}, .block = {32}}, kernel, a.data(), b.data(), d.data());
  EXPECT_EQ(d, expected);
}

TEST(Emulator, MmaMultipliesMatrices) {
  expect_multiplies(mma_kernel<BFloat16>, 16);
  expect_multiplies(mma_kernel<Float16>, 16);
  expect_multiplies(mma_tf32_kernel, 8);
}

TEST(Emulator, Tf32RoundsAwayFromTiesAndMmaTruncates) {
  EXPECT_EQ(std::bit_cast<float>(to_tf32(1.0f + 0x1p-11f)), 1.0f + 0x1p-10f);
  EXPECT_EQ(std::bit_cast<float>(to_tf32(-1.0f - 0x1p-11f)), -1.0f - 0x1p-10f);
  EXPECT_EQ(std::bit_cast<float>(to_tf32(1.0f + 0x1.fp-12f)), 1.0f);
}

template <int Count, bool Transposed>
__global__ void load_matrix_kernel(std::uint16_t* y) {
  AKIMBO_SHARED_ARRAY(std::uint16_t, tile, Count * 64);
  for (int i = lane_index(); i < Count * 64; i += 32) tile[i] = static_cast<std::uint16_t>(i);
  sync_warp();
  // Lanes whose address does not count give one that must not be read.
  const std::uint16_t* row = lane_index() < Count * 8 ? tile + lane_index() * 8 : nullptr;
  std::uint32_t r[Count];
  if constexpr (Count == 4) {
    Transposed ? load_matrix_x4_trans(r, row) : load_matrix_x4(r, row);
  } else {
    Transposed ? load_matrix_x2_trans(r, row) : load_matrix_x2(r, row);
  }
  for (int m = 0; m < Count; ++m) {
    y[(lane_index() * Count + m) * 2] = static_cast<std::uint16_t>(r[m]);
    y[(lane_index() * Count + m) * 2 + 1] = static_cast<std::uint16_t>(r[m] >> 16);
  }
}

template <int Count, bool Transposed>
void expect_loads() {
  std::vector<std::uint16_t> y(32 * Count * 2);
  launch({}, "load_matrix_kernel", {.grid = {1}, .block = {32}},
         load_matrix_kernel<Count, Transposed>, y.data());
  for (int lane = 0; lane < 32; ++lane) {
    for (int m = 0; m < Count; ++m) {
      for (int i = 0; i < 2; ++i) {
        const int row = lane / 4, column = lane % 4 * 2 + i;
        EXPECT_EQ(y[static_cast<std::size_t>((lane * Count + m) * 2 + i)],
                  m * 64 + (Transposed ? column * 8 + row : row * 8 + column));
      }
    }
  }
}

TEST(Emulator, LoadMatrixSharesRowsOverLanes) {
  expect_loads<4, false>();
  expect_loads<4, true>();
  expect_loads<2, false>();
  expect_loads<2, true>();
}

}  // namespace
}  // namespace akimbo::kernels
