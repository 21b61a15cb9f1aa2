#include "engine/core/stage_times.h"

#include <gtest/gtest.h>

#include <thread>

namespace akimbo {
namespace {

using std::chrono::milliseconds;

double of(const std::array<double, kNumStages>& seconds, Stage stage) {
  return seconds[static_cast<std::size_t>(stage)];
}

// Lower bounds only: a busy machine may take longer, never shorter.
TEST(StageTimes, InnerTimersAreNotCountedTwice) {
  const StageSeconds before = stage_seconds();
  const auto begin = std::chrono::steady_clock::now();
  {
    const StageTimer outer(Stage::wait);
    std::this_thread::sleep_for(milliseconds(4));
    const StageTimer inner(Stage::decode);
    std::this_thread::sleep_for(milliseconds(8));
  }
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  const StageSeconds after = stage_seconds();
  const double wait = of(after.foreground, Stage::wait) - of(before.foreground, Stage::wait);
  const double decode = of(after.foreground, Stage::decode) - of(before.foreground, Stage::decode);
  EXPECT_GE(wait, 0.004);
  EXPECT_GE(decode, 0.008);
  EXPECT_LE(wait + decode, whole.count());
}

TEST(StageTimes, DataThreadsAreApart) {
  const StageSeconds before = stage_seconds();
  std::thread([] {
    mark_background_thread();
    const StageTimer timer(Stage::crop);
    std::this_thread::sleep_for(milliseconds(3));
  }).join();
  const StageSeconds after = stage_seconds();
  EXPECT_GE(of(after.background, Stage::crop) - of(before.background, Stage::crop), 0.003);
  EXPECT_EQ(of(after.foreground, Stage::crop), of(before.foreground, Stage::crop));
}

}  // namespace
}  // namespace akimbo
