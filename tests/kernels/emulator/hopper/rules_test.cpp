// Which broken rules of barriers, tensor copies and wgmma the emulator reports.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/hopper.cuh"
#include "tests/kernels/emulator/faults.h"

namespace akimbo::kernels {
namespace {

using namespace device;

template <typename... Parameters, typename... Arguments>
std::string fault(int threads, void (*kernel)(Parameters...), Arguments... arguments) {
  return fault_of([&] {
    launch({}, "k", {.grid = {1}, .block = {threads}, .shared_bytes = 16 * 1024}, kernel,
           arguments...);
  });
}

// ---- mbarriers ----

// Begins as every kernel with a barrier does.
__device__ Barrier* ready_barrier(int arrivals) {
  auto* barrier = reinterpret_cast<Barrier*>(swizzled_shared<unsigned char>() + 8192);
  if (thread_in_block() == 0) {
    barrier_init(barrier, arrivals);
    fence_barrier_init();
  }
  sync_block();
  return barrier;
}

// Threads pass a value on, one after another, by phases of one barrier. y [threads].
__global__ void relay_kernel(int* y) {
  Barrier* barriers = swizzled_shared<Barrier>();
  int* value = reinterpret_cast<int*>(barriers + blockDim.x);
  if (threadIdx.x == 0) {
    for (unsigned i = 0; i < blockDim.x; ++i) barrier_init(barriers + i, 1);
    fence_barrier_init();
    *value = 0;
  }
  sync_block();
  for (int round = 0; round < 3; ++round) {
    if (threadIdx.x > 0 || round > 0) {
      barrier_wait(barriers + threadIdx.x, (round + (threadIdx.x == 0 ? 1 : 0)) % 2);
    }
    *value += 1;
    if (round == 2) y[threadIdx.x] = *value;
    barrier_arrive(barriers + (threadIdx.x + 1) % blockDim.x);
  }
}

TEST(HopperRules, BarriersOrderWhatThreadsDo) {
  std::vector<int> y(40);
  EXPECT_EQ(fault(40, relay_kernel, y.data()), "");
  for (int i = 0; i < 40; ++i) EXPECT_EQ(y[static_cast<std::size_t>(i)], 81 + i);
}

__global__ void named_kernel(int* y) {
  auto* x = swizzled_shared<int>();
  const int half = static_cast<int>(threadIdx.x) / 64, thread = static_cast<int>(threadIdx.x) % 64;
  x[half * 64 + thread] = thread;
  sync_threads(1 + half, 64);
  y[threadIdx.x] = x[half * 64 + 63 - thread];
}

TEST(HopperRules, NamedBarriersOrderTheirThreads) {
  std::vector<int> y(128);
  EXPECT_EQ(fault(128, named_kernel, y.data()), "");
  for (int i = 0; i < 128; ++i) EXPECT_EQ(y[static_cast<std::size_t>(i)], 63 - i % 64);
}

__global__ void half_named_kernel() { sync_threads(1, threadIdx.x < 32 ? 64 : 32); }
__global__ void lonely_named_kernel() {
  if (threadIdx.x < 32) sync_threads(2, 64);
}
__global__ void bad_named_kernel(int id, int count) { sync_threads(id, count); }
__global__ void uninitialised_kernel() { barrier_arrive(swizzled_shared<Barrier>()); }
__global__ void overwritten_kernel() {
  Barrier* barrier = ready_barrier(1);
  *barrier = 0;
  barrier_arrive(barrier);
}
__global__ void unsynchronised_init_kernel() {
  auto* barrier = swizzled_shared<Barrier>();
  if (threadIdx.x == 0) barrier_init(barrier, 2);
  sync_warp();
  barrier_arrive(barrier);
}
__global__ void init_kernel(std::uint64_t* global, int offset, int arrivals, int times) {
  auto* shared = swizzled_shared<unsigned char>();
  auto* barrier = global != nullptr ? global : reinterpret_cast<Barrier*>(shared + offset);
  for (int i = 0; i < times; ++i) barrier_init(barrier, arrivals);
}
__global__ void arrivals_kernel() { barrier_arrive_expect(ready_barrier(3), 16); }
__global__ void stuck_kernel(int parity) {
  Barrier* barrier = ready_barrier(2);
  if (threadIdx.x == 0) barrier_arrive(barrier);
  barrier_wait(barrier, parity);
}

TEST(HopperRules, ReportsMisusedBarriers) {
  std::uint64_t global = 0;
  expect_fault(fault(1, uninitialised_kernel), {"of a barrier that was not initialised"});
  expect_fault(fault(1, overwritten_kernel), {"whose memory was written by others"});
  expect_fault(fault(32, unsynchronised_init_kernel), {"with no sync_block() since"});
  expect_fault(fault(1, init_kernel, &global, 0, 1, 1), {"barrier_init outside shared memory"});
  expect_fault(fault(1, init_kernel, nullptr, 4, 1, 1), {"not aligned to 8 bytes"});
  expect_fault(fault(1, init_kernel, nullptr, 0, 0, 1), {"barrier_init for 0 arrivals"});
  expect_fault(fault(1, init_kernel, nullptr, 0, 1, 2), {"barrier_init of a barrier in use"});
  expect_fault(fault(32, arrivals_kernel), {"barrier_arrive beyond the 3 arrivals"});
  expect_fault(fault(32, stuck_kernel, 0), {"waits in barrier_wait at kernels/",
                                            "but 1 of 2 arrivals and 0 bytes do not come"});
  EXPECT_EQ(fault(32, stuck_kernel, 1), "");  // the phase before the first is over
  expect_fault(fault(32, stuck_kernel, 2), {"barrier_wait for parity 2"});
  expect_fault(fault(64, half_named_kernel), {"sync_threads"});
  expect_fault(fault(64, lonely_named_kernel), {"waits in sync_threads", "has returned"});
  expect_fault(fault(64, bad_named_kernel, 0, 64), {"sync_threads by barrier 0"});
  expect_fault(fault(64, bad_named_kernel, 1, 48), {"sync_threads of 48 threads"});
  expect_fault(fault(64, bad_named_kernel, 1, 96), {"which are not whole warps of 64"});
}

// ---- tensor copies ----

struct CopyFault {
  int offset = 0;     // of the destination
  int expected = 16;  // bytes
  bool waits = true, fences = true, reads_early = false, writes_first = false, twice = false;
  int rank = 2;  // 0: im2col
  int w = 0, offset_w = 0;
};

__global__ void copy_kernel(AKIMBO_GRID_CONSTANT const TensorMap map, CopyFault f, int* y) {
  auto* shared = swizzled_shared<unsigned char>();
  auto* barrier = reinterpret_cast<Barrier*>(shared + 8192);
  if (f.writes_first) shared[threadIdx.x] = 1;
  if (threadIdx.x == 0) {
    barrier_init(barrier, 1);
    if (f.fences) fence_barrier_init();
  }
  sync_block();
  if (threadIdx.x == 0) {
    barrier_arrive_expect(barrier, f.expected);
    if (f.rank == 2) copy_tensor_2d(shared + f.offset, &map, barrier, 0, 0);
    if (f.twice) copy_tensor_2d(shared + f.offset, &map, barrier, 0, 0);
    if (f.rank == 3) copy_tensor_3d(shared + f.offset, &map, barrier, 0, 0, 0);
    if (f.rank == 0) {
      copy_tensor_im2col(shared + f.offset, &map, barrier, 0, f.w, 0, 0, f.offset_w, 0);
    }
  }
  if (f.waits && !f.reads_early) barrier_wait(barrier, 0);
  y[threadIdx.x] = shared[threadIdx.x];
  if (f.reads_early) barrier_wait(barrier, 0);
}

TEST(HopperRules, ReportsMisusedCopies) {
  alignas(16) std::uint16_t x[8 * 4 * 4] = {};
  int y[32];
  TensorMap tiled, im2col, none{};
  ASSERT_TRUE(make_tiled_map(
      tiled, {.data = x, .rank = 2, .extents = {8, 16}, .strides = {16}, .box = {8, 1}}));
  ASSERT_TRUE(make_im2col_map(im2col, {.data = x,
                                       .extents = {8, 4, 4, 1},
                                       .strides = {16, 64, 256},
                                       .upper_w = -1,
                                       .channels_per_pixel = 8,
                                       .pixels_per_column = 1,
                                       .stride_w = 2}));
  const auto copy_fault = [&](const TensorMap& map, const CopyFault& f) {
    return fault(32, copy_kernel, map, f, y);
  };
  EXPECT_EQ(copy_fault(tiled, {}), "");
  EXPECT_EQ(copy_fault(im2col, {.rank = 0}), "");
  EXPECT_EQ(copy_fault(im2col, {.rank = 0, .w = 2, .offset_w = 255}), "");
  expect_fault(copy_fault(tiled, {.offset = 64}), {"not a multiple of 128"});
  expect_fault(copy_fault(tiled, {.offset = 16 * 1024}), {"to outside shared memory"});
  expect_fault(copy_fault(tiled, {.expected = 32, .twice = true}),
               {"to memory that another copy under way writes"});
  expect_fault(copy_fault(tiled, {.expected = 32}), {"waits in barrier_wait", "and 16 bytes"});
  expect_fault(copy_fault(tiled, {.fences = false}), {"no fence_barrier_init() after"});
  expect_fault(copy_fault(tiled, {.rank = 3}), {"by a tensor map of 2 dimensions"});
  expect_fault(copy_fault(tiled, {.rank = 0}), {"by a tensor map of the other kind"});
  expect_fault(copy_fault(none, {}), {"by a tensor map that was not made"});
  expect_fault(copy_fault(im2col, {.rank = 0, .w = 3}), {"base pixel 3 in W is outside the box"});
  expect_fault(copy_fault(im2col, {.rank = 0, .w = 1}), {"is not on the stride's grid"});
  expect_fault(copy_fault(im2col, {.rank = 0, .offset_w = 256}), {"offset 256 in W"});
  if (emulator::can_check_races()) {
    expect_fault(copy_fault(tiled, {.reads_early = true}),
                 {"of dynamic shared memory that thread", "since the last barrier"});
    expect_fault(copy_fault(tiled, {.writes_first = true}),
                 {"over ordinary writes with no fence_async_shared()"});
  }
  // A copy that lands at once is over at the end all the same.
  const std::uint64_t before = emulator::seed();
  std::string message;
  for (std::uint64_t seed = 1; seed <= 8 && message.empty(); ++seed) {
    emulator::set_seed(seed);
    emulator::set_race_check(false);
    message = copy_fault(tiled, {.waits = false});
  }
  emulator::set_race_check(true);
  emulator::set_seed(before);
  expect_fault(message, {"ends while copy_tensor_2d of kernels/", "wait for its barrier"});
}

// ---- wgmma ----

enum class Misuse {
  none,
  no_fence,
  no_commit,
  no_wait,
  touched,
  lost_lane,
  other_operand,
  misplaced,
  outside,
  read_early,
  refenced_after_wait,
  no_proxy_fence,
};

__global__ void wgmma_kernel(Misuse misuse, float* y) {
  auto* shared = swizzled_shared<unsigned char>();
  for (int i = thread_in_block(); i < 2048; i += 128) reinterpret_cast<float*>(shared)[i] = 0;
  if (misuse != Misuse::no_proxy_fence) fence_async_shared();
  sync_block();
  int offset = misuse == Misuse::misplaced ? 128 : misuse == Misuse::outside ? 15 * 1024 : 0;
  if (misuse == Misuse::other_operand && threadIdx.x == 77) offset = 32;
  const std::uint64_t a = matrix_descriptor(shared + offset, k_major_layout(Swizzle::bytes_128));
  float d[16] = {};
  if (misuse != Misuse::no_fence) wgmma_fence();
  if (misuse == Misuse::lost_lane && threadIdx.x == 100) return;
  wgmma<BFloat16, 32, Order::k_major, Order::k_major>(d, a, a, true);
  if (misuse == Misuse::touched) d[threadIdx.x % 16] = 1;
  if (misuse == Misuse::read_early) y[threadIdx.x] = d[3];
  if (misuse != Misuse::no_commit) wgmma_commit();
  if (misuse != Misuse::no_wait) wgmma_wait<0>();
  if (misuse == Misuse::refenced_after_wait) {
    wgmma<BFloat16, 32, Order::k_major, Order::k_major>(d, a, a, true);
    wgmma_commit();
    wgmma_wait<0>();
  }
  if (misuse != Misuse::read_early) y[threadIdx.x] = d[3];
}

TEST(HopperRules, ReportsMisusedProducts) {
  std::vector<float> y(128);
  const auto wgmma_fault = [&](Misuse misuse) {
    return fault(128, wgmma_kernel, misuse, y.data());
  };
  EXPECT_EQ(wgmma_fault(Misuse::none), "");
  EXPECT_EQ(y, std::vector<float>(128, 0.0f));
  const std::string no_fence = "wgmma has no wgmma_fence() since d was last the threads' own";
  expect_fault(wgmma_fault(Misuse::no_fence), {no_fence});
  expect_fault(wgmma_fault(Misuse::refenced_after_wait), {no_fence});
  expect_fault(wgmma_fault(Misuse::no_commit), {"exits with wgmma under way"});
  expect_fault(wgmma_fault(Misuse::no_wait), {"exits with wgmma under way"});
  expect_fault(wgmma_fault(Misuse::touched), {"wgmma_wait finds registers of d changed"});
  expect_fault(wgmma_fault(Misuse::lost_lane), {"waits in wgmma at", "(100,0,0) has returned"});
  expect_fault(wgmma_fault(Misuse::other_operand), {"has other operands than thread 0"});
  expect_fault(wgmma_fault(Misuse::misplaced), {"tiles start at multiples of 1024"});
  expect_fault(wgmma_fault(Misuse::outside), {"outside the block's shared arrays"});
  if (emulator::can_check_races()) {
    expect_fault(wgmma_fault(Misuse::no_proxy_fence), {"with no fence_async_shared() after them"});
  }
  EXPECT_EQ(wgmma_fault(Misuse::read_early), "");
  EXPECT_TRUE(std::isnan(y[5]));  // before the wait d holds garbage
  expect_fault(fault(96, wgmma_kernel, Misuse::none, y.data()),
               {"wgmma in a warpgroup of 96 threads", "multiples of 128"});
}

__global__ void local_descriptor_kernel(std::uint64_t* y) {
  int local = 0;
  *y = matrix_descriptor(&local, k_major_layout(Swizzle::bytes_128));
}

__global__ void descriptor_kernel(std::uint64_t* y) {
  auto* shared = swizzled_shared<unsigned char>();
  y[0] = matrix_descriptor(shared, k_major_layout(Swizzle::bytes_128));
  y[1] = matrix_descriptor(shared + 32, k_major_layout(Swizzle::bytes_64));
  y[2] = matrix_descriptor(shared, mn_major_layout(Swizzle::bytes_32, 4096));
  y[3] = matrix_descriptor(shared, {Swizzle::none, 128, 256});
}

TEST(HopperRules, DescriptorsHaveTheirFieldsWhereTheDocumentSaysSo) {
  std::uint64_t y[4];
  EXPECT_EQ(fault(1, descriptor_kernel, y), "");
  const auto fields = [](std::uint64_t start, std::uint64_t leading, std::uint64_t stride,
                         std::uint64_t mode) {
    return start | leading << 16 | stride << 32 | mode << 62;
  };
  const std::uint64_t start = y[0] & 0x3fff;
  EXPECT_EQ(start % 64, 0u);
  EXPECT_EQ(y[0], fields(start, 1, 64, 1));
  EXPECT_EQ(y[1], fields(start + 2, 1, 32, 2));
  EXPECT_EQ(y[2], fields(start, 256, 16, 3));
  EXPECT_EQ(y[3], fields(start, 8, 16, 0));
  expect_fault(fault(1, local_descriptor_kernel, y), {"memory that is not shared"});
}

}  // namespace
}  // namespace akimbo::kernels
