// The emulator itself: what it runs, and which broken rules it reports. Kernels here are written
// as in kernels/cuda, with and without the fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/reduce.cuh"
#include "tests/kernels/emulator/faults.h"

namespace akimbo::kernels {
namespace {

using namespace device;

__global__ void count_kernel(int* counts) {
  const auto block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const auto size = blockDim.x * blockDim.y * blockDim.z;
  ++counts[block * size + static_cast<unsigned>(thread_in_block())];
}

TEST(Emulator, RunsEveryThreadOfEveryBlockOnce) {
  std::vector<int> counts(2 * 3 * 5 * 4 * 2 * 3);
  launch({}, "count_kernel", {.grid = {2, 3, 5}, .block = {4, 2, 3}}, count_kernel, counts.data());
  EXPECT_EQ(counts, std::vector<int>(counts.size(), 1));
  launch({}, "count_kernel", {.grid = {0}, .block = {4}}, count_kernel, nullptr);
}

__global__ void sum_kernel(const float* x, float* y, std::int64_t count) {
  AKIMBO_SHARED_ARRAY(float, shared, 32);
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += x[i];
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *y = sum;
}

TEST(Emulator, SumsOverABlock) {
  std::vector<float> x(1000);
  std::iota(x.begin(), x.end(), 1.0f);
  for (const int threads : {32, 96, 256, 1024}) {
    float y = 0;
    launch({}, "sum_kernel", {.grid = {1}, .block = {threads}}, sum_kernel, x.data(), &y,
           std::int64_t{1000});
    EXPECT_EQ(y, 500500.0f);
  }
}

__global__ void divergent_kernel(int* y) {
  if (threadIdx.x < 40) sync_block();
  y[threadIdx.x] = 1;
}

TEST(Emulator, NamesTheThreadThatMissesABarrier) {
  std::vector<int> y(64);
  expect_fault(fault_of([&] {
                 launch({}, "divergent_kernel", {.grid = {1}, .block = {64}}, divergent_kernel,
                        y.data());
               }),
               {"[divergent_kernel] block (0,0,0), thread", "waits in sync_block at kernels/",
                "but thread (40,0,0) has returned"});
  // The fault leaves nothing behind.
  float sum = 0;
  const float one = 1;
  launch({}, "sum_kernel", {.grid = {1}, .block = {32}}, sum_kernel, &one, &sum, std::int64_t{1});
  EXPECT_EQ(sum, 1.0f);
}

__global__ void two_barriers_kernel() {
  if (threadIdx.x % 2 == 0) {
    sync_block();
  } else {
    sync_block();
  }
}
__global__ void lost_lane_kernel(float* y) {
  if (threadIdx.x != 5) y[threadIdx.x] = warp_sum(1.0f);
}
__global__ void mixed_collectives_kernel(float* y) {
  y[threadIdx.x] = threadIdx.x < 16 ? shuffle(1.0f, 0) : shuffle_xor(1.0f, 1);
}
__global__ void warp_sum_kernel(float* y) { y[threadIdx.x] = warp_sum(1.0f); }
__global__ void misaligned_kernel(const float* x) { (void)load_vector<4>(x + 1 + threadIdx.x); }
__global__ void beside_shared_kernel(int past) {
  AKIMBO_SHARED_ARRAY(float, tile, 40);
  float* where = tile;
  asm("" : "+r"(where));  // or the compiler warns of what is meant here
  where[past] = 1;
}
__global__ void dynamic_kernel() { dynamic_shared<float>()[0] = 1; }
__global__ void unfinished_copy_kernel(const float* x) {
  AKIMBO_SHARED_ARRAY(float, tile, 4);
  copy_async_16(tile, x);
  commit_copies();
}
__global__ void launching_kernel() { launch({}, "inner", {.grid = {1}}, dynamic_kernel); }

TEST(Emulator, ReportsBrokenRules) {
  alignas(16) float x[40] = {};
  const auto fault = [&](int threads, auto kernel, auto... arguments) {
    return fault_of(
        [&] { launch({}, "k", {.grid = {1}, .block = {threads}}, kernel, arguments...); });
  };
  expect_fault(fault(64, two_barriers_kernel), {"comes to another sync_block than thread"});
  expect_fault(fault(32, lost_lane_kernel, x), {"waits in shuffle_xor", "(5,0,0) has returned"});
  expect_fault(fault(32, mixed_collectives_kernel, x),
               {"comes to shuffle", "of its warp waits in"});
  expect_fault(fault(40, warp_sum_kernel, x), {"in a warp of 8 threads", "multiples of 32"});
  expect_fault(fault(1, misaligned_kernel, x), {"an access of 16 bytes", "not a multiple of it"});
  expect_fault(fault(1, dynamic_kernel), {"without shared_bytes"});
  expect_fault(fault(1, unfinished_copy_kernel, x), {"exits with 1 asynchronous copies under way"});
  expect_fault(fault(1, launching_kernel), {"a launch in a kernel"});
  expect_fault(fault_of([] { launch({}, "k", {.grid = {1}, .block = {2048}}, dynamic_kernel); }),
               {"[k] a grid of (1,1,1) blocks of (2048,1,1) threads", "cannot be launched"});
#if !defined(__SANITIZE_ADDRESS__)  // which stops at the access itself
  expect_fault(fault(1, beside_shared_kernel, 40), {"a write outside tile, which has 160 bytes"});
  expect_fault(fault(1, beside_shared_kernel, -1), {"a write outside tile"});
#else
  EXPECT_DEATH(fault(1, beside_shared_kernel, 40), "AddressSanitizer: heap-buffer-overflow");
#endif
}

__global__ void order_kernel(int* order, int* next) {
  order[atomic_add(next, 1)] = static_cast<int>(blockIdx.x) * 64 + static_cast<int>(threadIdx.x);
}

TEST(Emulator, OrderIsAFunctionOfTheSeed) {
  const std::uint64_t before = emulator::seed();
  const auto order_of = [](std::uint64_t seed) {
    emulator::set_seed(seed);
    std::vector<int> order(4 * 64);
    int next = 0;
    launch({}, "order_kernel", {.grid = {4}, .block = {64}}, order_kernel, order.data(), &next);
    return order;
  };
  const auto one = order_of(1), again = order_of(1), two = order_of(2);
  emulator::set_seed(before);
  EXPECT_EQ(one, again);
  EXPECT_NE(one, two);
  EXPECT_FALSE(std::is_sorted(one.begin(), one.end()));
  EXPECT_EQ(std::set<int>(one.begin(), one.end()).size(), 256u);
}

__global__ void collectives_kernel(std::int64_t* y) {
  const int lane = lane_index();
  const std::int64_t value = std::int64_t{1000000000000} + lane;  // needs all 8 bytes
  y += threadIdx.x * 8;
  y[0] = shuffle(value, 7);
  y[1] = shuffle(lane, lane + 3);
  y[2] = shuffle_xor(value, 5);
  y[3] = shuffle_down(lane, 30);
  y[4] = shuffle_up(lane, 30);
  y[5] = ballot(lane % 3 == 0);
  y[6] = any(lane == 31) + 2 * any(lane == 32);
  y[7] = all(lane < 32) + 2 * all(lane < 31);
}

TEST(Emulator, WarpCollectives) {
  std::vector<std::int64_t> y(64 * 8);
  launch({}, "collectives_kernel", {.grid = {1}, .block = {64}}, collectives_kernel, y.data());
  const std::int64_t base = 1000000000000;
  for (int thread = 0; thread < 64; ++thread) {
    const int lane = thread % 32;
    const std::vector<std::int64_t> expected = {base + 7,
                                                (lane + 3) % 32,
                                                base + (lane ^ 5),
                                                lane < 2 ? lane + 30 : lane,
                                                lane >= 30 ? lane - 30 : lane,
                                                0x49249249,
                                                1,
                                                1};
    EXPECT_EQ(std::vector(y.begin() + thread * 8, y.begin() + thread * 8 + 8), expected) << lane;
  }
}

__global__ void atomics_kernel(double* sum, int* largest, std::uint32_t* lock, std::int64_t* n) {
  atomic_add(sum, 0.5);
  atomic_add(n, std::int64_t{1} << 33);
  atomic_max(largest, static_cast<int>(threadIdx.x) - 3);
  if (atomic_cas(lock, 0u, threadIdx.x + 1) == 0u) lock[1] = threadIdx.x + 1;
}

TEST(Emulator, Atomics) {
  double sum = 0;
  int largest = -1000;
  std::uint32_t lock[2] = {};
  std::int64_t n = 0;
  launch({}, "atomics_kernel", {.grid = {3}, .block = {64}}, atomics_kernel, &sum, &largest, lock,
         &n);
  EXPECT_EQ(sum, 96.0);
  EXPECT_EQ(n, 192 * (std::int64_t{1} << 33));
  EXPECT_EQ(largest, 60);
  EXPECT_GT(lock[0], 0u);
  EXPECT_EQ(lock[0], lock[1]);
}

__global__ void copies_kernel(const float* x, float* y) {
  float* tile = dynamic_shared<float>();
  for (int i = 0; i < 12; ++i) tile[i] = 7;
  copy_async_16(tile, x);
  commit_copies();
  copy_async_8(tile + 4, x + 4);
  copy_async_4(tile + 6, x + 6, false);
  commit_copies();
  copy_async_4(tile + 7, x + 7);  // not committed
  y[0] = tile[0] == x[0];         // it lands at its wait, not before
  y[1] = tile[0] == 7;            // and its place is no longer what it was
  wait_copies<1>();
  y[2] = tile[0] == x[0] && tile[3] == x[3];
  y[3] = tile[4] == x[4] || tile[6] == 0;
  wait_copies<0>();
  y[4] = tile[4] == x[4] && tile[5] == x[5];
  y[5] = tile[6] == 0;
  y[6] = tile[7] == x[7];
  commit_copies();
  wait_copies<0>();
  y[7] = tile[7] == x[7];
}

TEST(Emulator, AsynchronousCopiesLandAtTheirWait) {
  alignas(16) const float x[8] = {1, 2, 3, 4, 5, 6, 8, 9};
  std::vector<float> y(8);
  launch({}, "copies_kernel", {.grid = {1}, .shared_bytes = 48}, copies_kernel, x, y.data());
  EXPECT_EQ(y, (std::vector<float>{0, 0, 1, 0, 1, 1, 0, 1}));
}

}  // namespace
}  // namespace akimbo::kernels
