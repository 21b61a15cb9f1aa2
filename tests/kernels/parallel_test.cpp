// The thread pool: every index once, whatever the number of threads, nesting and company.
#include "kernels/common/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace akimbo::kernels {
namespace {

class Parallel : public ::testing::Test {
 protected:
  ~Parallel() override { set_num_threads(0); }
};

// How often each index of [0, count) was visited.
std::vector<int> visits(std::int64_t count, std::int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  return {seen.begin(), seen.end()};
}

TEST_F(Parallel, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (const std::int64_t count : {1, 2, 7, 64, 1001}) {
      for (const std::int64_t grain : {0, 1, 3, 64, 5000}) {
        EXPECT_EQ(visits(count, grain), std::vector<int>(static_cast<std::size_t>(count), 1))
            << count << " by " << grain << " with " << threads;
      }
    }
  }
}

TEST_F(Parallel, ChunkBoundsDependOnTheProblemOnly) {
  set_num_threads(3);
  std::vector<std::int64_t> ends(10);
  parallel_for(10, 4, [&](std::int64_t begin, std::int64_t end) {
    ends[static_cast<std::size_t>(begin)] = end;
  });
  EXPECT_EQ(ends, (std::vector<std::int64_t>{4, 0, 0, 0, 8, 0, 0, 0, 10, 0}));
}

TEST_F(Parallel, NothingToDoCallsNothing) {
  parallel_for(0, 1, [](std::int64_t, std::int64_t) { FAIL(); });
  parallel_for(-3, 1, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST_F(Parallel, NestedLoopsAreSerialAndComplete) {
  set_num_threads(4);
  std::atomic<int> sum{0};
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
    const auto caller = std::this_thread::get_id();
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      sum += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(sum, 800);
}

TEST_F(Parallel, SerialScopeKeepsToTheCaller) {
  set_num_threads(4);
  const SerialScope serial;
  const auto caller = std::this_thread::get_id();
  parallel_for(100, 1,
               [&](std::int64_t, std::int64_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
}

TEST_F(Parallel, RethrowsAndStaysUsable) {
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    std::atomic<int> ran{0};
    EXPECT_THROW(parallel_for(50, 1,
                              [&](std::int64_t begin, std::int64_t) {
                                ++ran;
                                if (begin == 17) throw std::runtime_error("17");
                              }),
                 std::runtime_error);
    EXPECT_EQ(ran, 50) << "the other chunks are done all the same";
    EXPECT_EQ(visits(64, 1), std::vector<int>(64, 1));
  }
}

// Several callers at once: one has the pool, the others work alone; nobody waits for ever.
TEST_F(Parallel, CallersDoNotDisturbEachOther) {
  set_num_threads(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        if (visits(round % 40 + 1, 1) !=
            std::vector<int>(static_cast<std::size_t>(round % 40 + 1), 1)) {
          ++wrong;
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

// Loops so short that helpers are often still asleep, or just waking, when the loop ends.
TEST_F(Parallel, ManyShortLoops) {
  set_num_threads(4);
  std::int64_t total = 0;
  for (int round = 0; round < 5000; ++round) {
    std::atomic<std::int64_t> sum{0};
    parallel_for(4, 1, [&](std::int64_t begin, std::int64_t) { sum += begin; });
    total += sum;
    if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(total, 5000 * 6);
}

}  // namespace
}  // namespace akimbo::kernels
