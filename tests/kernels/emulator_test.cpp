// The emulator itself: what it runs, and which broken rules it reports. Kernels here are written
// as in kernels/cuda, with and without the fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/device.cuh"
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

}  // namespace
}  // namespace akimbo::kernels
