// Steps side by side: each once, after those it waits for, whatever the number of threads.
#include "kernels/common/step_graph.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "kernels/common/parallel.h"

namespace akimbo::kernels {
namespace {

class StepGraphs : public ::testing::Test {
 protected:
  ~StepGraphs() override { set_num_threads(0); }
};

// Long enough that sleeping threads wake up and take part.
void take_some_time() {
  volatile int counted = 0;
  for (int i = 0; i < 3000; ++i) counted = i;
  (void)counted;
}

// `branches` chains of `length` steps that all begin after step 0 and end in the last one.
StepGraph chains(int branches, int length) {
  StepGraph graph{{}};
  std::vector<int> ends;
  for (int b = 0; b < branches; ++b) {
    for (int i = 0; i < length; ++i) {
      graph.push_back({i == 0 ? 0 : static_cast<int>(graph.size()) - 1});
    }
    ends.push_back(static_cast<int>(graph.size()) - 1);
  }
  graph.push_back(ends);
  return graph;
}

TEST_F(StepGraphs, RunsEachStepOnceAfterThoseItWaitsFor) {
  const StepGraph graph = chains(4, 6);
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<std::atomic<int>> done(graph.size());
      std::atomic<int> out_of_turn{0};
      run_steps(graph, [&](int step) {
        for (const int before : graph[static_cast<std::size_t>(step)]) {
          if (done[static_cast<std::size_t>(before)] != 1) ++out_of_turn;
        }
        take_some_time();
        ++done[static_cast<std::size_t>(step)];
      });
      EXPECT_EQ(out_of_turn, 0);
      for (const auto& count : done) ASSERT_EQ(count, 1) << threads << " threads";
    }
  }
}

TEST_F(StepGraphs, LoopsOfStepsAreCompleteAndNested) {
  const StepGraph graph = chains(3, 4);
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<std::int64_t> sums(graph.size());
      run_steps(graph, [&](int step) {
        std::vector<std::int64_t> parts(97);
        parallel_for(97, 1, [&](std::int64_t begin, std::int64_t end) {
          take_some_time();
          // A loop within a loop runs on the same thread.
          parallel_for(10, 1, [&](std::int64_t, std::int64_t) {
            for (std::int64_t i = begin; i < end; ++i) parts[static_cast<std::size_t>(i)] += i;
          });
        });
        for (const std::int64_t part : parts) sums[static_cast<std::size_t>(step)] += part;
      });
      for (const std::int64_t sum : sums) ASSERT_EQ(sum, 10 * 96 * 97 / 2) << threads;
    }
  }
}

TEST_F(StepGraphs, RethrowsAndStaysUsable) {
  const StepGraph graph = chains(4, 3);
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<bool> last_ran{false};
      EXPECT_THROW(run_steps(graph,
                             [&](int step) {
                               if (step == 5) {
                                 parallel_for(8, 1, [](std::int64_t begin, std::int64_t) {
                                   if (begin == 3) throw std::runtime_error("step");
                                 });
                               }
                               if (step == static_cast<int>(graph.size()) - 1) last_ran = true;
                             }),
                   std::runtime_error);
      EXPECT_FALSE(last_ran);
      std::atomic<int> count{0};
      run_steps(graph, [&](int) { ++count; });
      EXPECT_EQ(count, static_cast<int>(graph.size()));
    }
  }
}

TEST_F(StepGraphs, NothingToDoReturns) {
  run_steps({}, [](int) { FAIL(); });
}

}  // namespace
}  // namespace akimbo::kernels
