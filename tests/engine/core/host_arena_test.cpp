#include "engine/core/host_arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace akimbo {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(HostArena, FreedNeighboursMergeAndAreUsedAgain) {
  HostArena arena;
  void* const a = arena.allocate(5 * kMiB);
  void* const b = arena.allocate(6 * kMiB);
  void* const c = arena.allocate(5 * kMiB);
  EXPECT_LT(a, b);
  EXPECT_LT(b, c);
  EXPECT_TRUE(arena.free(a));
  EXPECT_TRUE(arena.free(b));
  EXPECT_EQ(arena.allocate(11 * kMiB), a);
  EXPECT_EQ(arena.num_ranges(), 1u);
  EXPECT_FALSE(arena.free(b));
  EXPECT_TRUE(arena.free(c));
}

TEST(HostArena, SmallBlocksStayOutOfTheWayOfLargeOnes) {
  HostArena arena;
  void* const low = arena.allocate(8 * kMiB);
  void* const between = arena.allocate(5 * kMiB);
  void* const high = arena.allocate(8 * kMiB);
  void* const top = arena.allocate(5 * kMiB);
  arena.free(low);
  arena.free(high);
  void* const small = arena.allocate(kMiB);
  EXPECT_EQ(small, high);
  EXPECT_EQ(arena.allocate(7 * kMiB), low);
  for (void* block : {between, top, small}) EXPECT_TRUE(arena.free(block));
}

// Random requests: blocks are aligned, keep what was written to them, and all memory comes back.
TEST(HostArena, BlocksDoNotOverlap) {
  HostArena arena;
  std::mt19937 random(7);
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (int i = 0; i < 600; ++i) {
    if (blocks.size() > 20 || (!blocks.empty() && random() % 3 == 0)) {
      const std::size_t k = random() % blocks.size();
      const auto [pointer, bytes] = blocks[k];
      const auto mark = static_cast<unsigned char>(bytes % 251);
      EXPECT_EQ(pointer[0], mark);
      EXPECT_EQ(pointer[bytes - 1], mark);
      EXPECT_TRUE(arena.free(pointer));
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(k));
      continue;
    }
    const std::size_t bytes = 1 + random() % (6 * kMiB);
    auto* const pointer = static_cast<unsigned char*>(arena.allocate(bytes));
    ASSERT_NE(pointer, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pointer) % 64, 0u);
    pointer[0] = pointer[bytes - 1] = static_cast<unsigned char>(bytes % 251);
    blocks.emplace_back(pointer, bytes);
  }
  for (const auto& [pointer, bytes] : blocks) EXPECT_TRUE(arena.free(pointer));
  EXPECT_EQ(arena.used_bytes(), 0u);
  const std::size_t held = arena.free_bytes();
  arena.release_free();
  EXPECT_LT(arena.free_bytes(), held / 100);
  auto* const again = static_cast<unsigned char*>(arena.allocate(kMiB));
  std::memset(again, 1, kMiB);
  EXPECT_TRUE(arena.free(again));
}

TEST(HostArena, MoreThanTheSystemHasIsNull) {
  HostArena arena;
  EXPECT_EQ(arena.allocate(std::size_t{1} << 60), nullptr);
  void* const block = arena.allocate(kMiB);
  EXPECT_NE(block, nullptr);
  EXPECT_TRUE(arena.free(block));
}

}  // namespace
}  // namespace akimbo
