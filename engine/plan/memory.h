// Which bytes of one block of memory each value of a program gets: values that live at different
// times share them.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/plan/side_by_side.h"

namespace akimbo::plan {

struct MemoryPlan {
  std::vector<std::size_t> offsets;  // by value, multiples of 64; the input has none (0)
  std::size_t total_bytes = 0;       // of the block
  std::size_t sum_bytes = 0;         // of all values: what running without a plan would touch
};

// A value lives from its maker to its last reader; outputs live to the end. Largest values first,
// each at the lowest place where no neighbour in time is. A step that may write over its input
// (elementwise, resize_add) does so when it is the last reader.
// With `side_by_side`, steps that need not wait for each other may run at the same time: then only
// values whose readers all come before another's maker, whatever runs beside them, share memory.
[[nodiscard]] MemoryPlan plan_memory(const Program& program,
                                     const StepOrder* side_by_side = nullptr);

}  // namespace akimbo::plan
