// How recorded work (work_record.h) runs in lanes side by side: which lane each op takes, what it
// waits for, and where in one block of memory each value lies.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/core/lane_scheduler.h"
#include "engine/core/work_record.h"

namespace akimbo {

struct LanePlan {
  LaneSchedule schedule;
  std::vector<std::size_t> offsets;  // by value; of the work's own ones
  std::size_t total_bytes = 0;       // of the block
  std::size_t chain_bytes = 0;       // that a single lane takes
};

// What lanes may take beyond the memory of one: a 32nd, and a MiB always.
[[nodiscard]] std::size_t lane_slack(std::size_t chain_bytes);

// An op comes after those that wrote what it reads or writes, and after those that read what it
// writes. Rather than take more memory than allowed, it waits for a place; fewer lanes are taken
// where that is not enough.
[[nodiscard]] LanePlan plan_lanes(const WorkRecord& record, int max_lanes);

}  // namespace akimbo
