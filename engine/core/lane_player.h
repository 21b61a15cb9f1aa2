// Runs recorded work (work_record.h) a second time, its ops in the lanes and its memory at the
// places that a plan says.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/core/lane_plan.h"
#include "engine/core/lanes.h"
#include "engine/core/work_watcher.h"

namespace akimbo {

// While one lives, this thread captures the work. The work has to name the same memory in the same
// order as it did when it was recorded; else it, or finish(), throws Error.
class LanePlayer final : public WorkWatcher {
 public:
  // `memory`: plan.total_bytes on the device. All arguments outlive it.
  LanePlayer(Lanes& lanes, const WorkRecord& record, const LanePlan& plan, void* memory);

  void finish();

  void* allocate(std::size_t bytes) override;
  bool free(void* pointer) noexcept override;
  void access(const void* pointer, bool writes) override;
  kernels::Exec begin_op(const kernels::Exec& exec) override;
  void end_op() noexcept override;

 private:
  [[nodiscard]] const void* address_of(int value) const;
  // The index of the next event if it is of that kind, else -1.
  int next(WorkRecord::EventKind kind);
  void differ(const char* how) noexcept;
  void require_same() const;

  Lanes& lanes_;
  const WorkRecord& record_;
  const LanePlan& plan_;
  char* memory_;
  std::vector<bool> is_awaited_;  // by op
  std::vector<int> marks_;        // of those
  std::size_t next_event_ = 0, next_note_ = 0;
  int op_ = -1;  // the latest
  const char* difference_ = nullptr;
};

}  // namespace akimbo
