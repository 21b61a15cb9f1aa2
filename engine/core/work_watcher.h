// Seeing what a thread gives to a GPU, op by op: which memory each op reads and writes, and what is
// allocated and freed between them. Two watchers exist: one writes it down (work_record.h), one
// deals it out to streams that run side by side (lane_player.h).
//
// An op is what runs on one exec_of(device) (dispatch.h). Its memory is named by view_of and
// mutable_view_of since the op before ended, by what was allocated while it ran (scratch memory),
// and by Tensor's own copies and fills.
#pragma once

#include <cstddef>

#include "engine/core/device.h"

namespace akimbo {

namespace kernels {
struct Exec;
}

class WorkWatcher {
 public:
  // This thread's watcher from now on, until it ends.
  explicit WorkWatcher(Device device);
  virtual ~WorkWatcher();
  WorkWatcher(const WorkWatcher&) = delete;
  WorkWatcher& operator=(const WorkWatcher&) = delete;

  // Memory for a tensor or as scratch.
  virtual void* allocate(std::size_t bytes) = 0;
  // Whether the watcher has dealt with it; else the allocator does.
  virtual bool free(void* pointer) noexcept = 0;
  virtual void access(const void* pointer, bool writes) = 0;
  // The op's way to run in place of `exec`.
  virtual kernels::Exec begin_op(const kernels::Exec& exec) = 0;
  virtual void end_op() noexcept = 0;

  [[nodiscard]] Device device() const { return device_; }

 private:
  Device device_;
};

// This thread's for the device, or null.
[[nodiscard]] WorkWatcher* work_watcher(Device device);

}  // namespace akimbo
