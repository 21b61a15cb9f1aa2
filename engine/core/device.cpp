#include "engine/core/device.h"

#include "engine/core/error.h"

namespace akimbo {

std::string Device::str() const { return is_cpu() ? "cpu" : fmt::format("cuda:{}", index); }

Device parse_device(std::string_view text) {
  if (text == "cpu" || text == "auto") return kCpu;
  if (text == "cuda" || text.starts_with("cuda:")) {
    throw_error<DeviceError>(
        "[device] {} was asked for, but this program has no CUDA kernels; use --device cpu", text);
  }
  throw_error<ArgumentError>("[device] '{}' is no device; use auto, cpu, cuda or cuda:N", text);
}

}  // namespace akimbo
