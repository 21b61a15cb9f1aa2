// The caching allocator of a GPU.
#include <gtest/gtest.h>

#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/core/tensor.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"

namespace akimbo {
namespace {

using testing_support::Environment;
using testing_support::kGpu;

constexpr std::size_t kMiB = std::size_t{1} << 20;

class DeviceMemory : public testing_support::DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    release_cached_memory(kGpu);
    set_memory_cache(kGpu, true);
  }
  void TearDown() override {
    if (IsSkipped()) return;
    release_cached_memory(kGpu);
    set_memory_cache(kGpu, !kernels::cuda::is_emulated());
  }
};

TEST_F(DeviceMemory, GivesAFreedBlockOutAgain) {
  void* first = allocate_memory(kGpu, 3 * kMiB);
  free_memory(kGpu, first);
  const std::size_t num_allocations = memory_report(kGpu).num_allocations;
  void* second = allocate_memory(kGpu, 3 * kMiB - 100);
  EXPECT_EQ(first, second);
  EXPECT_EQ(memory_report(kGpu).num_allocations, num_allocations);
  free_memory(kGpu, second);
}

TEST_F(DeviceMemory, CutsSegmentsAndMergesNeighbours) {
  const std::size_t before = memory_report(kGpu).num_allocations;
  void* a = allocate_memory(kGpu, 4 * kMiB);  // three of one 20 MiB segment
  void* b = allocate_memory(kGpu, 4 * kMiB);
  void* c = allocate_memory(kGpu, 4 * kMiB);
  EXPECT_EQ(memory_report(kGpu).num_allocations, before + 1);
  EXPECT_EQ(static_cast<char*>(b) - static_cast<char*>(a), std::ptrdiff_t(4 * kMiB));
  free_memory(kGpu, a);
  free_memory(kGpu, c);
  free_memory(kGpu, b);  // joins all three and the rest
  void* whole = allocate_memory(kGpu, 20 * kMiB - 512);
  EXPECT_EQ(whole, a);
  EXPECT_EQ(memory_report(kGpu).num_allocations, before + 1);
  free_memory(kGpu, whole);
}

TEST_F(DeviceMemory, ReportsWhatIsInUseCachedAndAtTheMost) {
  reset_peak_memory(kGpu);
  const MemoryReport before = memory_report(kGpu);
  void* small = allocate_memory(kGpu, 100);
  void* large = allocate_memory(kGpu, 30 * kMiB);
  EXPECT_EQ(memory_report(kGpu).in_use_bytes, before.in_use_bytes + 512 + 30 * kMiB);
  free_memory(kGpu, large);
  const MemoryReport after = memory_report(kGpu);
  EXPECT_EQ(after.peak_bytes, before.in_use_bytes + 512 + 30 * kMiB);
  EXPECT_GE(after.cached_bytes, 30 * kMiB);
  free_memory(kGpu, small);
  release_cached_memory(kGpu);
  EXPECT_EQ(memory_report(kGpu).cached_bytes, 0u);
}

TEST_F(DeviceMemory, KeepsTheBlocksOfAPoolToItself) {
  void* inside = nullptr;
  {
    MemoryPool pool(kGpu);
    {
      const MemoryPool::Scope scope(pool);
      inside = allocate_memory(kGpu, 2 * kMiB);
      free_memory(kGpu, inside);
      EXPECT_EQ(allocate_memory(kGpu, 2 * kMiB), inside) << "reused inside the pool";
      free_memory(kGpu, inside);
    }
    EXPECT_GE(pool.size_bytes(), 2 * kMiB);
    void* outside = allocate_memory(kGpu, 2 * kMiB);
    EXPECT_NE(outside, inside);
    release_cached_memory(kGpu);
    EXPECT_GE(pool.size_bytes(), 2 * kMiB) << "a graph may be replayed";
    free_memory(kGpu, outside);
  }
  release_cached_memory(kGpu);
  EXPECT_EQ(memory_report(kGpu).cached_bytes, 0u);
}

// A tensor that outlives the graph that made it keeps its memory.
TEST_F(DeviceMemory, PoolsEndWithTheirLastBlock) {
  Tensor kept;
  {
    MemoryPool pool(kGpu);
    const MemoryPool::Scope scope(pool);
    kept = Tensor::full({1000}, 2, DType::f32, kGpu);
  }
  EXPECT_EQ(kept.to(kCpu).values<float>()[999], 2);
  kept = Tensor();
  release_cached_memory(kGpu);
  EXPECT_EQ(memory_report(kGpu).cached_bytes, 0u);
}

TEST_F(DeviceMemory, SaysWhatWasAskedAndWhatToLowerWhenMemoryIsOut) {
  const std::size_t in_use = memory_report(kGpu).in_use_bytes;
  const std::size_t total = kernels::cuda::memory_info(0).total_bytes;
  try {
    (void)allocate_memory(kGpu, 2 * total);
    FAIL() << "more than there is was given";
  } catch (const DeviceError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find(std::to_string(2 * total) + " bytes) were asked for"), std::string::npos)
        << text;
    EXPECT_NE(text.find("are free"), std::string::npos) << text;
    EXPECT_NE(text.find("train.batch_size"), std::string::npos) << text;
  }
  EXPECT_EQ(memory_report(kGpu).in_use_bytes, in_use);
  void* works = allocate_memory(kGpu, kMiB);
  free_memory(kGpu, works);
}

// Cached blocks of other sizes are given back before memory is said to be out.
TEST_F(DeviceMemory, GivesItsCacheBackBeforeItGivesUp) {
  if (!kernels::cuda::is_emulated()) GTEST_SKIP() << "takes memory away from the emulated GPU";
  const kernels::cuda::MemoryInfo info = kernels::cuda::memory_info(0);
  const Environment limit("AKIMBO_EMULATED_MEMORY",
                          std::to_string(info.total_bytes - info.free_bytes + 64 * kMiB));
  void* first = allocate_memory(kGpu, 40 * kMiB);
  free_memory(kGpu, first);
  void* second = allocate_memory(kGpu, 60 * kMiB);
  EXPECT_THROW((void)allocate_memory(kGpu, 30 * kMiB), DeviceError);
  free_memory(kGpu, second);
  void* third = allocate_memory(kGpu, 30 * kMiB);
  free_memory(kGpu, third);
}

TEST_F(DeviceMemory, WithoutCacheEveryBlockIsTheDevicesOwn) {
  set_memory_cache(kGpu, false);
  const MemoryReport before = memory_report(kGpu);
  void* block = allocate_memory(kGpu, 1000);
  EXPECT_EQ(memory_report(kGpu).in_use_bytes, before.in_use_bytes + 1000);
  free_memory(kGpu, block);
  EXPECT_EQ(memory_report(kGpu).cached_bytes, before.cached_bytes);
}

}  // namespace
}  // namespace akimbo
