// A short run of the fuzzer; tests/fuzz/checkpoint_fuzz is the long one.
#include <gtest/gtest.h>

#include "engine/core/allocator.h"
#include "tests/fuzz/checkpoints.h"
#include "tests/support/mutate.h"
#include "tests/support/program.h"

namespace akimbo {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::int64_t kCount = 600;
#else
constexpr std::int64_t kCount = 4000;
#endif

TEST(CheckpointFuzz, DamagedFilesAreReadOrRefused) {
  const testing_support::ScratchFolder folder;
  const auto samples = fuzz::checkpoint_samples();
  ASSERT_GE(samples.size(), 8u);
  reset_peak_memory(kCpu);
  const fuzz::Outcome outcome = fuzz::fuzz_checkpoints(samples, 1, kCount, folder.path());
  EXPECT_EQ("", outcome.failure);
  // Both happen often: damage in the elements cannot be seen, damage elsewhere must be.
  EXPECT_GT(outcome.num_refused, kCount / 4);
  EXPECT_GT(outcome.num_read, kCount / 50);
  EXPECT_LT(memory_report(kCpu).peak_bytes, 256u << 20);
}

TEST(CheckpointFuzz, MutationsFollowTheSeed) {
  const std::string original(1000, 'a');
  EXPECT_EQ(test_support::mutate(original, 7), test_support::mutate(original, 7));
  EXPECT_NE(test_support::mutate(original, 7), test_support::mutate(original, 8));
  EXPECT_EQ("", test_support::mutate("", 1));
}

}  // namespace
}  // namespace akimbo
