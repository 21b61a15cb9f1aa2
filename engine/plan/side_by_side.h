// Which steps of a program can run at the same time, and on which of several streams (lanes) of a
// GPU each runs.
#pragma once

#include <vector>

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

struct LaneSchedule {
  int num_lanes = 1;
  std::vector<int> lane;                // of each node
  std::vector<std::vector<int>> waits;  // nodes of other lanes that each node waits for
};

// A node goes on in the lane of a map that it reads, if that lane's last step made it; else it
// takes a lane that it would come after anyhow, a new one, or, when there are `max_lanes`, the one
// that was idle the longest.
[[nodiscard]] LaneSchedule schedule_lanes(const Program& program, const StepOrder& order,
                                          int max_lanes = 8);

}  // namespace akimbo::plan
