// Whether a plan for lanes keeps the order that recorded work needs, found without the planner's
// own clocks: the order of every two ops by the lanes and waits alone, then every two uses of the
// same memory.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/core/lane_arena.h"
#include "engine/core/lane_plan.h"

namespace akimbo::test_support {

class LaneOrder {
 public:
  explicit LaneOrder(const LaneSchedule& schedule) {
    const std::size_t count = schedule.lane.size();
    before_.assign(count, std::vector<bool>(count, false));
    std::vector<int> tails(static_cast<std::size_t>(schedule.num_lanes), -1);
    for (std::size_t op = 0; op < count; ++op) {
      int& tail = tails[schedule.lane[op]];
      if (tail >= 0) follow(op, tail);
      for (const int source : schedule.waits[op]) follow(op, source);
      tail = static_cast<int>(op);
    }
  }
  [[nodiscard]] bool is_before(int a, int b) const { return before_[b][a]; }

 private:
  void follow(std::size_t op, int source) {
    before_[op][source] = true;
    for (int i = 0; i < source; ++i) {
      if (before_[source][i]) before_[op][i] = true;
    }
  }
  std::vector<std::vector<bool>> before_;  // [op][ops before it]
};

struct LaneUse {
  int op;
  bool writes;
};

inline std::vector<std::vector<LaneUse>> uses_of(const WorkRecord& record) {
  std::vector<std::vector<LaneUse>> uses(record.values.size());
  for (int op = 0; op < static_cast<int>(record.ops.size()); ++op) {
    for (const auto& access : record.ops[op].accesses) {
      uses[access.value].push_back({op, access.writes});
    }
  }
  return uses;
}

// "" if all is well, else the first two ops that could meet.
inline std::string find_conflict(const WorkRecord& record, const LanePlan& plan) {
  const LaneOrder order(plan.schedule);
  const auto uses = uses_of(record);
  const auto all_before = [&](const std::vector<LaneUse>& a, const std::vector<LaneUse>& b) {
    return std::all_of(a.begin(), a.end(), [&](const LaneUse& x) {
      return std::all_of(b.begin(), b.end(),
                         [&](const LaneUse& y) { return order.is_before(x.op, y.op); });
    });
  };
  for (std::size_t v = 0; v < uses.size(); ++v) {
    for (const LaneUse& a : uses[v]) {
      for (const LaneUse& b : uses[v]) {
        if (a.op >= b.op || (!a.writes && !b.writes) || order.is_before(a.op, b.op)) continue;
        return "ops " + std::to_string(a.op) + " and " + std::to_string(b.op) + " share value " +
               std::to_string(v);
      }
    }
  }
  const auto end_of = [&](std::size_t v) {
    return plan.offsets[v] + LaneArena::round_up(record.values[v].bytes);
  };
  std::vector<std::size_t> own;
  for (std::size_t v = 0; v < uses.size(); ++v) {
    if (!record.values[v].is_own || uses[v].empty()) continue;
    if (end_of(v) > plan.total_bytes || plan.offsets[v] == 0) return "a value lies outside";
    own.push_back(v);
  }
  std::sort(own.begin(), own.end(),
            [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; });
  for (std::size_t i = 0; i < own.size(); ++i) {
    for (std::size_t j = i + 1; j < own.size() && plan.offsets[own[j]] < end_of(own[i]); ++j) {
      const std::size_t a = own[i], b = own[j];
      if (!record.values[a].outlives && all_before(uses[a], uses[b])) continue;
      if (!record.values[b].outlives && all_before(uses[b], uses[a])) continue;
      return "values " + std::to_string(a) + " and " + std::to_string(b) + " share memory";
    }
  }
  return "";
}

}  // namespace akimbo::test_support
