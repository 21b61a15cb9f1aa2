// The emulator itself: what it runs, and which broken rules it reports. Kernels here are written
// as in kernels/cuda, with and without the fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/reduce.cuh"

namespace akimbo::kernels {
namespace {

using namespace device;

// The message of the fault that `run` ends with; "" when it ends well.
template <typename F>
std::string fault_of(const F& run) {
  try {
    run();
  } catch (const DeviceFailure& failure) {
    return failure.what();
  }
  return "";
}

void expect_fault(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
  }
}

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

// ---- fragments, after the PTX ISA's own words ----

// Element i of a thread's fragments of mma.m16n8k16 with 16-bit A and B.
struct Place {
  int row, column;
};
Place a_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 || (i >= 4 && i < 6) ? group : group + 8,
          i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8};
}
Place b_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8, group};
}
Place c_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? group : group + 8, in_group * 2 + (i & 1)};
}
Place a_place_tf32(int lane, int i) {
  return {i == 0 || i == 2 ? lane >> 2 : (lane >> 2) + 8, i < 2 ? lane % 4 : lane % 4 + 4};
}
Place b_place_tf32(int lane, int i) { return {i == 0 ? lane % 4 : lane % 4 + 4, lane >> 2}; }

float random_value(int i) { return static_cast<float>((i * 7919 + 12345) % 257 - 128) / 64.0f; }

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

// ---- a matrix product as real kernels do it, and every fault that can be made in it ----

constexpr int kTileM = 32, kTileN = 16, kTileK = 16, kStages = 3;
constexpr int kPitch = kTileK + 8;  // elements of a row in shared memory

// d [32, 16] = a [32, depth] b^T [16, depth], bf16; one block of 4 warps, each of 16 x 8.
__global__ void matmul_kernel(const BFloat16* a, const BFloat16* b, float* d, int depth) {
  auto* tiles_a = dynamic_shared<BFloat16>();
  BFloat16* tiles_b = tiles_a + kStages * kTileM * kPitch;
  const int thread = thread_in_block(), lane = lane_index(), warp = warp_index();
  const int num_steps = (depth + kTileK - 1) / kTileK;
  const auto issue = [&](int step) {
    if (step < num_steps && thread < (kTileM + kTileN) * 2) {
      const bool is_a = thread < kTileM * 2;
      const int row = is_a ? thread / 2 : thread / 2 - kTileM;
      const int k = step * kTileK + thread % 2 * 8;
      const BFloat16* from = (is_a ? a : b) + row * depth;
      BFloat16* to = is_a ? tiles_a + (step % kStages * kTileM + row) * kPitch
                          : tiles_b + (step % kStages * kTileN + row) * kPitch;
      copy_async_16(to + thread % 2 * 8, k < depth ? from + k : from, k < depth);
    }
    commit_copies();
  };
  for (int step = 0; step < kStages - 1; ++step) issue(step);
  float sums[4] = {};
  for (int step = 0; step < num_steps; ++step) {
    wait_copies<kStages - 2>();
    sync_block();
    issue(step + kStages - 1);
    const BFloat16* tile_a = tiles_a + step % kStages * kTileM * kPitch;
    const BFloat16* tile_b = tiles_b + step % kStages * kTileN * kPitch;
    std::uint32_t ra[4], rb[2];
    load_matrix_x4(ra, tile_a + (warp / 2 * 16 + lane % 16) * kPitch + lane / 16 * 8);
    load_matrix_x2(rb, tile_b + (warp % 2 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8);
    mma_bf16(sums, ra, rb);
  }
  wait_copies<0>();
  for (int i = 0; i < 4; ++i) {
    const auto [row, column] = c_place(lane, i);
    d[(warp / 2 * 16 + row) * kTileN + warp % 2 * 8 + column] = sums[i];
  }
}

// "" when right; else what is wrong.
std::string check_matmul(int depth) {
  std::vector<BFloat16> a(static_cast<std::size_t>(kTileM * depth)),
      b(static_cast<std::size_t>(kTileN * depth));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = BFloat16(random_value(static_cast<int>(i)));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = BFloat16(random_value(static_cast<int>(i) + 7));
  std::vector<float> d(kTileM * kTileN, -1e30f);
  const std::string fault = fault_of([&] {
    launch({}, "matmul_kernel",
           {.grid = {1},
            .block = {128},
            .shared_bytes = kStages * (kTileM + kTileN) * kPitch * sizeof(BFloat16)},
           matmul_kernel, a.data(), b.data(), d.data(), depth);
  });
  if (!fault.empty()) return fault;
  for (int m = 0; m < kTileM; ++m) {
    for (int n = 0; n < kTileN; ++n) {
      double sum = 0;
      for (int k = 0; k < depth; ++k) {
        sum += static_cast<double>(static_cast<float>(a[static_cast<std::size_t>(m * depth + k)])) *
               static_cast<float>(b[static_cast<std::size_t>(n * depth + k)]);
      }
      const float value = d[static_cast<std::size_t>(m * kTileN + n)];
      if (!(std::abs(value - sum) <= 1e-4)) {
        std::string text = "d[";
        text += std::to_string(m) + "," + std::to_string(n) + "] is " + std::to_string(value);
        return text + " instead of " + std::to_string(sum);
      }
    }
  }
  return "";
}

TEST(Emulator, EveryFaultInAPipelinedMatmulIsSeen) {
  emulator::watch_sites("");
  for (const int depth : {8, 16, 40, 104}) EXPECT_EQ(check_matmul(depth), "");
  const auto sites = emulator::reached_sites();
  EXPECT_EQ(sites.size(), 8u);  // copy, commit, two waits, barrier, two loads, mma
  for (const std::string& site : sites) {
    // The last wait is there for copies of no step: none is left when it is reached.
    emulator::watch_sites(site);
    const std::string seen = check_matmul(104);
    const bool harmless = seen.empty() && site.starts_with("wait_copies");
    EXPECT_TRUE(harmless || !seen.empty()) << site;
  }
  emulator::stop_watching_sites();
}

// The second sum uses the first one's shared memory again. y [blocks, 256, 2].
__global__ void two_sums_kernel(const float* x, float* y) {
  AKIMBO_SHARED_ARRAY(float, shared, 32);
  const float value = x[threadIdx.x];
  y[2 * global_thread()] = block_sum(value, shared);
  y[2 * global_thread() + 1] = block_sum(value * value, shared);
}

TEST(Emulator, EveryFaultInAReductionIsSeen) {
  const std::vector<float> x(256, 2.0f);
  const auto is_right = [&] {
    std::vector<float> y(16 * 256 * 2);
    const std::string fault = fault_of([&] {
      launch({}, "two_sums_kernel", {.grid = {16}, .block = {256}}, two_sums_kernel, x.data(),
             y.data());
    });
    if (!fault.empty()) return false;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (y[i] != (i % 2 == 0 ? 512 : 1024)) return false;
    }
    return true;
  };
  emulator::watch_sites("");
  EXPECT_TRUE(is_right());
  const auto sites = emulator::reached_sites();
  EXPECT_EQ(sites.size(), 3u);  // a shuffle and two barriers
  // By its results too, not by the race checker alone.
  for (const bool checks_races : {true, false}) {
    emulator::set_race_check(checks_races);
    for (const std::string& site : sites) {
      emulator::watch_sites(site);
      EXPECT_FALSE(is_right()) << site;
    }
  }
  emulator::set_race_check(true);
  emulator::stop_watching_sites();
}

// ---- races that the results do not show ----

__global__ void same_value_kernel(int* y) { *y = 1; }
__global__ void unsynced_kernel(int* y) {
  AKIMBO_SHARED_ARRAY(int, tile, 64);
  tile[threadIdx.x] = 1;
  y[threadIdx.x] = tile[0];
}
// The lanes of a warp are ordered by sync_warp and by nothing else.
template <bool Synced>
__global__ void warp_exchange_kernel(int* y) {
  AKIMBO_SHARED_ARRAY(int, tile, 64);
  tile[threadIdx.x] = 1;
  if (Synced) sync_warp();
  (void)ballot(true);
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}
__global__ void neighbours_kernel(std::uint8_t* y) {
  y[global_thread()] = 1;
  sync_block();
  y[global_thread()] = y[blockIdx.x * blockDim.x + (threadIdx.x + 1) % blockDim.x];
}
__global__ void every_block_kernel(int* y) { y[threadIdx.x] = 1; }
__global__ void counting_kernel(int* n) { atomic_add(n, 1); }
__global__ void atomic_and_plain_kernel(int* n) {
  if (threadIdx.x == 0) {
    *n = 0;
  } else {
    atomic_add(n, 1);
  }
}
__global__ void early_copy_kernel(const float* x, float* y) {
  AKIMBO_SHARED_ARRAY(float, tile, 64 * 4);
  copy_async_16(tile + threadIdx.x * 4, x);
  commit_copies();
  wait_copies<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

TEST(Emulator, FindsRacesThatResultsDoNotShow) {
  if (!emulator::can_check_races()) GTEST_SKIP() << "this build has another instrumentation";
  std::vector<int> y(256);
  std::vector<std::uint8_t> bytes(256);
  alignas(16) float x[4] = {};
  float z[64];
  const auto fault = [&](int blocks, auto kernel, auto... arguments) {
    return fault_of(
        [&] { launch({}, "k", {.grid = {blocks}, .block = {64}}, kernel, arguments...); });
  };
  expect_fault(fault(1, same_value_kernel, y.data()),
               {"writes global memory that thread", "wrote"});
  expect_fault(fault(1, unsynced_kernel, y.data()), {" of tile that thread", "since the last"});
  expect_fault(fault(1, warp_exchange_kernel<false>, y.data()), {"of tile that thread"});
  expect_fault(fault(1, neighbours_kernel, bytes.data()), {"global memory that thread"});
  expect_fault(fault(1, atomic_and_plain_kernel, y.data()), {"global memory that thread"});
  expect_fault(fault(1, early_copy_kernel, x, z), {"of tile that thread"});
  expect_fault(fault(4, every_block_kernel, y.data()), {"another block wrote"});
  EXPECT_EQ(fault(1, warp_exchange_kernel<true>, y.data()), "");
  EXPECT_EQ(fault(4, counting_kernel, y.data()), "");
}

// What docs/cuda.md says of speed: 40 blocks of 256 threads with two barriers and ten shuffles.
TEST(Emulator, Speed) {
  const std::vector<float> x(256, 2.0f);
  std::vector<float> y(40 * 256 * 2);
  const auto begin = std::chrono::steady_clock::now();
  launch({}, "two_sums_kernel", {.grid = {40}, .block = {256}}, two_sums_kernel, x.data(),
         y.data());
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  RecordProperty("milliseconds", std::to_string(time.count()));
  EXPECT_LT(time.count(), 5000);  // only against a collapse; the machine may be busy
}

}  // namespace
}  // namespace akimbo::kernels
