// Which steps of a program can run at the same time, and on which of several streams (lanes) of a
// GPU each runs.
#pragma once

#include <vector>

#include "engine/core/lane_scheduler.h"
#include "engine/plan/program.h"

namespace akimbo::plan {

// What must come before what, by the maps that steps read.
class StepOrder {
 public:
  explicit StepOrder(const Program& program);
  // Node a is done before node b begins, whatever runs beside them.
  [[nodiscard]] bool is_before(int a, int b) const { return before_[b][a]; }

 private:
  std::vector<std::vector<bool>> before_;  // [node][nodes before it]
};

// For each node the nodes that make its inputs.
[[nodiscard]] std::vector<std::vector<int>> step_graph(const Program& program);

// By LaneScheduler's rule: a map's reader comes after its maker.
[[nodiscard]] LaneSchedule schedule_lanes(const Program& program, int max_lanes = 8);

}  // namespace akimbo::plan
