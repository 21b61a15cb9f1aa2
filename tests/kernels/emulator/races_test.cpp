// Races that the results of a kernel do not show.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/emulator/race.h"
#include "tests/kernels/emulator/faults.h"

namespace akimbo::kernels {
namespace {

using namespace device;

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

}  // namespace
}  // namespace akimbo::kernels
