// From tensors to kernels: the one place above kernels/ that knows which devices were built.
// Included by sources of engine/ops, engine/optim and engine/pose only, never by a header.
#pragma once

#include "engine/core/tensor.h"
#include "engine/core/work_watcher.h"
#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo {

// Stream and scratch memory for one op. Ask for it in the call of the kernel, or hold it for as
// long as the op is given to the device: who watches a thread's work (work_watcher.h) takes for an
// op what runs on it.
class OpExec : public kernels::Exec {
 public:
  OpExec(const kernels::Exec& exec, WorkWatcher* watcher)
      : Exec(watcher != nullptr ? watcher->begin_op(exec) : exec), watcher_(watcher) {}
  ~OpExec() {
    if (watcher_ != nullptr) watcher_->end_op();
  }
  OpExec(const OpExec&) = delete;
  OpExec& operator=(const OpExec&) = delete;

 private:
  WorkWatcher* watcher_;
};

// Of the calling thread.
[[nodiscard]] OpExec exec_of(Device device);
// A GPU's stream alone, for what is no op: to wait for it, to capture it.
[[nodiscard]] void* stream_of(Device device);

// While one lives, work of this thread on the device goes to another stream.
class ExecScope {
 public:
  ExecScope(Device device, void* stream);
  ~ExecScope();
  ExecScope(const ExecScope&) = delete;
  ExecScope& operator=(const ExecScope&) = delete;

 private:
  friend const kernels::Exec& base_exec(Device device);
  Device device_;
  kernels::Exec exec_;
  const ExecScope* previous_;
};

// For what reads or writes a tensor on a GPU other than by a view: who watches this thread's work
// is told.
void note_access(const Tensor& tensor, bool writes);

// Undefined tensors become empty views.
[[nodiscard]] kernels::ConstView view_of(const Tensor& tensor);
// Counts as a write.
[[nodiscard]] kernels::View mutable_view_of(Tensor& tensor);

[[noreturn]] void throw_no_kernel(Device device, const char* name);

}  // namespace akimbo

// AKIMBO_KERNEL(x.device(), relu_forward)(exec_of(x.device()), view_of(x), mutable_view_of(y));
#if AKIMBO_CUDA
#define AKIMBO_KERNEL(device, name) \
  ((device).is_cuda() ? &::akimbo::kernels::cuda::name : &::akimbo::kernels::cpu::name)
#else
#define AKIMBO_KERNEL(device, name)                  \
  ((device).is_cpu() ? &::akimbo::kernels::cpu::name \
                     : (::akimbo::throw_no_kernel((device), #name), nullptr))
#endif
