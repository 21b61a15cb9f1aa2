// wgmma on the emulator, against the plain product.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cuda/hopper.cuh"
#include "tests/kernels/emulator/fragments.h"

namespace akimbo::kernels {
namespace {

using namespace device;

// Byte of element (mn, k) of an operand of `depth` in shared memory, in tiles of one span, rows of
// which lie one after another; by the swizzles' tables (tensor_copy_test.cpp).
template <Order kOrder>
__host__ __device__ int place_of(int mn, int k, int rows, int depth, Swizzle swizzle) {
  const int span = swizzle_bytes(swizzle) / 2;
  const int minor = kOrder == Order::k_major ? k : mn, major = kOrder == Order::k_major ? mn : k;
  const int majors = kOrder == Order::k_major ? rows : depth;
  if (span == 0) {  // blocks of 8 x 8: along K first
    const int blocks = kOrder == Order::k_major ? depth / 8 : rows / 8;
    return ((major / 8 * blocks + minor / 8) * 64 + major % 8 * 8 + minor % 8) * 2;
  }
  const int i = (minor / span * majors + major) * span + minor % span;
  const int line = i / 64, chunk = i / 8 % 8;
  const int lines = 1 << static_cast<int>(swizzle);
  return (line * 64 + (chunk ^ line % lines) * 8 + i % 8) * 2;
}

template <Order kOrder>
__host__ __device__ MatrixLayout layout_of(int rows, int depth, Swizzle swizzle) {
  if (swizzle == Swizzle::none) {
    return kOrder == Order::k_major ? MatrixLayout{swizzle, 128, depth / 8 * 128}
                                    : MatrixLayout{swizzle, rows / 8 * 128, 128};
  }
  return kOrder == Order::k_major ? k_major_layout(swizzle)
                                  : mn_major_layout(swizzle, depth * swizzle_bytes(swizzle));
}

// Bytes from one 16 of K to the next.
template <Order kOrder>
__host__ __device__ int step_of(int k, int rows, int depth, Swizzle swizzle) {
  const int first = place_of<kOrder>(0, k, rows, depth, Swizzle::none);
  if (swizzle == Swizzle::none) return first;
  if (kOrder == Order::mn_major) return k * swizzle_bytes(swizzle);
  const int span = swizzle_bytes(swizzle);
  return 2 * k / span * span * rows + 2 * k % span;
}

// d [64, N] = a [64, depth] b [N, depth]^T, plus what d held when `accumulates`.
template <typename T, int N, Order kOrderA, Order kOrderB>
__global__ void product_kernel(const T* a, const T* b, float* d, int depth, Swizzle swizzle,
                               bool accumulates) {
  auto* tile_a = swizzled_shared<unsigned char>();
  unsigned char* tile_b = tile_a + (64 * depth * 2 + 1023) / 1024 * 1024;
  for (int i = thread_in_block(); i < 64 * depth; i += 128) {
    const int place = place_of<kOrderA>(i / depth, i % depth, 64, depth, swizzle);
    *reinterpret_cast<T*>(tile_a + place) = a[i];
  }
  for (int i = thread_in_block(); i < N * depth; i += 128) {
    const int place = place_of<kOrderB>(i / depth, i % depth, N, depth, swizzle);
    *reinterpret_cast<T*>(tile_b + place) = b[i];
  }
  fence_async_shared();
  sync_block();
  float sums[N / 2];
  for (int i = 0; i < N / 2; ++i) {
    const auto [row, column] = accumulator_place(i);
    sums[i] = d[row * N + column];
  }
  wgmma_fence();
  for (int k = 0; k < depth; k += 16) {
    wgmma<T, N, kOrderA, kOrderB>(
        sums,
        matrix_descriptor(tile_a + step_of<kOrderA>(k, 64, depth, swizzle),
                          layout_of<kOrderA>(64, depth, swizzle)),
        matrix_descriptor(tile_b + step_of<kOrderB>(k, N, depth, swizzle),
                          layout_of<kOrderB>(N, depth, swizzle)),
        accumulates || k > 0);
    wgmma_commit();
  }
  wgmma_wait<0>();
  for (int i = 0; i < N / 2; ++i) {
    const auto [row, column] = accumulator_place(i);
    d[row * N + column] = sums[i];
  }
}

// The factors are multiples of 1/64 below 2: all sums are exact.
template <typename T, int N, Order kOrderA, Order kOrderB>
void expect_product(int depth, Swizzle swizzle, bool accumulates) {
  std::vector<T> a(static_cast<std::size_t>(64 * depth)), b(static_cast<std::size_t>(N * depth));
  std::vector<float> d(64 * N), expected(64 * N);
  int i = 0;
  for (T& value : a) value = T(random_value(i++));
  for (T& value : b) value = T(random_value(i++));
  for (float& value : d) value = random_value(i++);
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < N; ++column) {
      float sum = accumulates ? d[static_cast<std::size_t>(row * N + column)] : 0;
      for (int k = 0; k < depth; ++k) {
        sum += static_cast<float>(a[static_cast<std::size_t>(row * depth + k)]) *
               static_cast<float>(b[static_cast<std::size_t>(column * depth + k)]);
      }
      expected[static_cast<std::size_t>(row * N + column)] = sum;
    }
  }
  launch({}, "product_kernel",
         {.grid = {1},
          .block = {128},
          .shared_bytes =
              static_cast<std::size_t>((64 * depth * 2 + 1023) / 1024 * 1024 + N * depth * 2)},
         product_kernel<T, N, kOrderA, kOrderB>, a.data(), b.data(), d.data(), depth, swizzle,
         accumulates);
  EXPECT_EQ(d, expected) << "N " << N << ", orders " << static_cast<int>(kOrderA)
                         << static_cast<int>(kOrderB) << ", swizzle " << swizzle_bytes(swizzle);
}

template <typename T, int N>
void expect_products(int depth, Swizzle swizzle, bool accumulates) {
  constexpr Order kK = Order::k_major, kMn = Order::mn_major;
  expect_product<T, N, kK, kK>(depth, swizzle, accumulates);
  expect_product<T, N, kK, kMn>(depth, swizzle, accumulates);
  expect_product<T, N, kMn, kK>(depth, swizzle, accumulates);
  expect_product<T, N, kMn, kMn>(depth, swizzle, accumulates);
}

TEST(Wgmma, MultipliesInEveryOrderAndSwizzle) {
  for (const Swizzle swizzle :
       {Swizzle::none, Swizzle::bytes_32, Swizzle::bytes_64, Swizzle::bytes_128}) {
    expect_products<BFloat16, 64>(64, swizzle, true);
    expect_products<Float16, 128>(64, swizzle, false);
  }
}

TEST(Wgmma, MultipliesInEveryShape) {
  expect_product<BFloat16, 32, Order::k_major, Order::k_major>(128, Swizzle::bytes_128, false);
  expect_product<BFloat16, 32, Order::k_major, Order::mn_major>(32, Swizzle::bytes_64, false);
  expect_product<Float16, 96, Order::k_major, Order::mn_major>(32, Swizzle::bytes_64, true);
  expect_product<BFloat16, 192, Order::mn_major, Order::mn_major>(32, Swizzle::bytes_128, false);
  expect_product<BFloat16, 256, Order::k_major, Order::k_major>(64, Swizzle::bytes_128, true);
  expect_product<Float16, 256, Order::mn_major, Order::mn_major>(16, Swizzle::bytes_128, false);
}

}  // namespace
}  // namespace akimbo::kernels
