// Every fault that can be planted in a matrix product and in a reduction, written as real kernels
// are, shows on the emulator.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/reduce.cuh"
#include "tests/kernels/emulator/faults.h"
#include "tests/kernels/emulator/fragments.h"

namespace akimbo::kernels {
namespace {

using namespace device;

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
