#include "engine/core/dispatch.h"

#include "engine/core/allocator.h"
#include "engine/core/error.h"

namespace akimbo {
namespace {

class CpuScratch final : public kernels::ScratchSource {
 public:
  void* allocate(std::size_t bytes) override { return allocate_memory(kCpu, bytes); }
  void release(void* pointer) noexcept override { free_memory(kCpu, pointer); }
};

}  // namespace

const kernels::Exec& exec_of(Device device) {
  static CpuScratch scratch;
  static const kernels::Exec exec{.scratch = &scratch};
  if (!device.is_cpu()) throw_no_kernel(device, "exec_of");
  return exec;
}

kernels::ConstView view_of(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {tensor.raw(), tensor.dtype(), tensor.shape()};
}

kernels::View mutable_view_of(Tensor& tensor) {
  if (!tensor.defined()) return {};
  tensor.bump_version();
  return {tensor.raw(), tensor.dtype(), tensor.shape()};
}

void throw_no_kernel(Device device, const char* name) {
  throw_error<DeviceError>("[{}] this program has no kernels for {}; use --device cpu", name,
                           device.str());
}

}  // namespace akimbo
