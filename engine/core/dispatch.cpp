#include "engine/core/dispatch.h"

#include <array>
#include <mutex>

#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

class TensorScratch final : public kernels::ScratchSource {
 public:
  explicit TensorScratch(Device device) : device_(device) {}
  void* allocate(std::size_t bytes) override { return allocate_memory(device_, bytes); }
  void release(void* pointer) noexcept override { free_memory(device_, pointer); }

 private:
  Device device_;
};

// One stream of computation per GPU, which all threads share: memory is handed from tensor to
// tensor in its order.
struct GpuContext {
  explicit GpuContext(int index) : scratch({Device::Kind::cuda, index}) {
    exec = {.scratch = &scratch, .stream = cuda::create_stream(index)};
  }
  TensorScratch scratch;
  kernels::Exec exec;
};

struct Gpus {
  std::mutex mutex;
  std::array<GpuContext*, 64> contexts{};  // never destroyed, as their memory is not
  ComputeMode mode;
};

Gpus& gpus() {
  static auto* value = new Gpus;
  return *value;
}

thread_local const ExecScope* t_scope = nullptr;

void apply(const ComputeMode& mode, kernels::Exec& exec) {
  exec.deterministic = mode.deterministic;
  exec.tf32 = mode.tf32;
}

}  // namespace

const kernels::Exec& base_exec(Device device) {
  static TensorScratch scratch(kCpu);
  static const kernels::Exec exec{.scratch = &scratch};
  if (device.is_cpu()) return exec;
  cuda::set_device(device.index);
  if (t_scope != nullptr && t_scope->device_ == device) return t_scope->exec_;
  Gpus& all = gpus();
  const std::lock_guard lock(all.mutex);
  GpuContext*& context = all.contexts[static_cast<std::size_t>(device.index)];
  if (context == nullptr) {
    context = new GpuContext(device.index);
    apply(all.mode, context->exec);
  }
  return context->exec;
}

OpExec exec_of(Device device) { return {base_exec(device), work_watcher(device)}; }

void* stream_of(Device device) { return base_exec(device).stream; }

ExecScope::ExecScope(Device device, void* stream)
    : device_(device), exec_(base_exec(device)), previous_(t_scope) {
  exec_.stream = stream;
  t_scope = this;
}
ExecScope::~ExecScope() { t_scope = previous_; }

void set_compute_mode(const ComputeMode& mode) {
  const std::lock_guard lock(gpus().mutex);
  gpus().mode = mode;
  for (GpuContext* context : gpus().contexts) {
    if (context != nullptr) apply(mode, context->exec);
  }
}

ComputeMode compute_mode() {
  const std::lock_guard lock(gpus().mutex);
  return gpus().mode;
}

void note_access(const Tensor& tensor, bool writes) {
  WorkWatcher* watcher = work_watcher(tensor.device());
  if (watcher != nullptr) watcher->access(tensor.raw(), writes);
}

kernels::ConstView view_of(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  note_access(tensor, false);
  return {tensor.raw(), tensor.dtype(), tensor.shape()};
}

kernels::View mutable_view_of(Tensor& tensor) {
  if (!tensor.defined()) return {};
  note_access(tensor, true);
  tensor.bump_version();
  return {tensor.raw(), tensor.dtype(), tensor.shape()};
}

void throw_no_kernel(Device device, const char* name) {
  throw_error<DeviceError>("[{}] this program has no kernels for {}; use --device cpu", name,
                           device.str());
}

}  // namespace akimbo
