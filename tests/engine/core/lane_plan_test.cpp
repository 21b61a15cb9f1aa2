// Work in lanes: every two ops that use the same memory keep their order, memory grows by little,
// and what is independent does run side by side.
#include "engine/core/lane_plan.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/lane_check.h"

namespace akimbo {
namespace {

using test_support::find_conflict;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Ops that read up to three of the latest maps of some branches and write a new one, or write over
// one; a map is given back now and then, some never are.
WorkRecord random_work(std::uint64_t seed, int num_ops) {
  std::mt19937_64 random(seed);
  const auto draw = [&](std::size_t below) { return static_cast<int>(random() % below); };
  WorkRecord record;
  record.values.push_back({.base = &record});  // a weight
  std::vector<int> latest;
  for (int op = 0; op < num_ops; ++op) {
    WorkRecord::Op& made = record.ops.emplace_back();
    if (draw(4) == 0) made.accesses.push_back({0, draw(20) == 0});
    for (int k = draw(4); k > 0 && !latest.empty(); --k) {
      made.accesses.push_back({latest[draw(latest.size())], draw(8) == 0});
    }
    const int value = static_cast<int>(record.values.size());
    record.values.push_back({.bytes = kMiB / 8 * static_cast<std::size_t>(1 + draw(40)),
                             .is_own = true,
                             .outlives = draw(10) == 0});
    made.accesses.push_back({value, true});
    if (latest.size() < 8) {
      latest.push_back(value);
    } else {
      latest[draw(latest.size())] = value;
    }
  }
  return record;
}

TEST(LanePlan, KeepsTheOrderOfWhatSharesMemory) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const WorkRecord record = random_work(seed, 150);
    for (const int lanes : {1, 2, 3, 8}) {
      const LanePlan plan = plan_lanes(record, lanes);
      EXPECT_EQ(find_conflict(record, plan), "") << "seed " << seed << ", " << lanes << " lanes";
      EXPECT_LE(plan.schedule.num_lanes, lanes);
      EXPECT_LE(plan.total_bytes, plan.chain_bytes + lane_slack(plan.chain_bytes));
    }
  }
}

// No wait is there for nothing: without any one of them the check fails.
TEST(LanePlan, WaitsForWhatItMust) {
  const WorkRecord record = random_work(1, 150);
  LanePlan plan = plan_lanes(record, 4);
  int num_waits = 0, num_found = 0;
  for (auto& waits : plan.schedule.waits) {
    for (std::size_t i = 0; i < waits.size(); ++i, ++num_waits) {
      const int wait = waits[i];
      waits.erase(waits.begin() + static_cast<std::ptrdiff_t>(i));
      if (!find_conflict(record, plan).empty()) ++num_found;
      waits.insert(waits.begin() + static_cast<std::ptrdiff_t>(i), wait);
    }
  }
  EXPECT_GT(num_waits, 20);
  // One wait of an op may be told by another of the same op that was needed later.
  EXPECT_GT(num_found, num_waits * 9 / 10);
}

// Branches of `length` ops, each on the map before, which is then given back.
WorkRecord branches(int count, int length) {
  WorkRecord record;
  for (int b = 0; b < count; ++b) {
    int before = -1;
    for (int i = 0; i < length; ++i) {
      const int value = static_cast<int>(record.values.size());
      record.values.push_back({.bytes = 10 * kMiB, .is_own = true});
      WorkRecord::Op& op = record.ops.emplace_back();
      if (before >= 0) op.accesses.push_back({before, false});
      op.accesses.push_back({value, true});
      before = value;
    }
  }
  return record;
}

TEST(LanePlan, BranchesTakeTurnsRatherThanMoreMemory) {
  const WorkRecord record = branches(3, 5);
  const LanePlan plan = plan_lanes(record, 8);
  EXPECT_EQ(find_conflict(record, plan), "");
  EXPECT_EQ(plan.total_bytes, plan.chain_bytes) << "two maps are all that one branch needs";
}

TEST(LanePlan, BranchesRunSideBySideWhereThereIsRoom) {
  WorkRecord record = branches(3, 5);
  for (auto& value : record.values) value.outlives = true;
  const LanePlan plan = plan_lanes(record, 8);
  EXPECT_EQ(plan.schedule.num_lanes, 3);
  for (const auto& waits : plan.schedule.waits) EXPECT_TRUE(waits.empty());
}

}  // namespace
}  // namespace akimbo
