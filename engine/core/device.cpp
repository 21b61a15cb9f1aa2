#include "engine/core/device.h"

#include <charconv>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/conv.h"
#include "kernels/device_runtime.h"
#include "kernels/guarded.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

int parse_index(std::string_view text) {
  int index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0) {
    throw_error<ArgumentError>("[device] 'cuda:{}' is no device; use cuda:N with N from 0 on",
                               text);
  }
  return index;
}

}  // namespace

std::string Device::str() const { return is_cpu() ? "cpu" : fmt::format("cuda:{}", index); }

Device parse_device(std::string_view text) {
  if (text == "cpu") return kCpu;
  if (text == "auto") {
    const bool use_gpu = num_gpus() > 0 && !cuda::is_emulated();
    return use_gpu ? Device{Device::Kind::cuda, 0} : kCpu;
  }
  if (text != "cuda" && !text.starts_with("cuda:")) {
    throw_error<ArgumentError>("[device] '{}' is no device; use auto, cpu, cuda or cuda:N", text);
  }
  const int index = text == "cuda" ? 0 : parse_index(text.substr(5));
  if (num_gpus() == 0) {
    throw_error<DeviceError>("[device] {} was asked for, but {}. --device cpu works without", text,
                             no_gpu_reason());
  }
  if (index >= num_gpus()) {
    throw_error<DeviceError>("[device] {} was asked for, but the last GPU is cuda:{}", text,
                             num_gpus() - 1);
  }
  return {Device::Kind::cuda, index};
}

int num_gpus() { return cuda::device_count(); }

std::string no_gpu_reason() { return num_gpus() > 0 ? "" : cuda::unavailable_reason(); }

std::string describe_device(Device device) {
  if (device.is_cpu()) return "cpu";
  const cuda::DeviceProperties p = cuda::device_properties(device.index);
  cuda::set_device(device.index);
  const std::string guarded = cuda::guarded_state();
  return fmt::format("{}, sm_{}{}, {} multiprocessors, {:.1f} GiB{}{}", p.name, p.major, p.minor,
                     p.num_multiprocessors, static_cast<double>(p.memory_bytes) / (1 << 30),
                     guarded.empty() ? "" : ", ", guarded);
}

std::string cuda_build() {
  const std::string version = cuda::toolkit_version();
  if (version.empty()) return "";
  return fmt::format("CUDA {} ({})", version, cuda::built_architectures());
}

void synchronize(Device device) {
  if (device.is_cuda()) cuda::synchronize(stream_of(device));
}

bool cpu_has_bf16() { return kernels::cpu::bf16_available(); }

}  // namespace akimbo
