// From tensors to kernels: the one place above kernels/ that knows which devices were built.
// Included by sources of engine/ops, engine/optim and engine/pose only, never by a header.
#pragma once

#include "engine/core/tensor.h"
#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo {

// Stream and scratch memory of the calling thread for a device.
[[nodiscard]] const kernels::Exec& exec_of(Device device);

// While one lives, exec_of(device) of this thread gives a copy of `exec`.
class ExecScope {
 public:
  ExecScope(Device device, const kernels::Exec& exec);
  ~ExecScope();
  ExecScope(const ExecScope&) = delete;
  ExecScope& operator=(const ExecScope&) = delete;

 private:
  friend const kernels::Exec& exec_of(Device device);
  Device device_;
  kernels::Exec exec_;
  const ExecScope* previous_;
};

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
