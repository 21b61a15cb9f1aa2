// Where a tensor lives.
#pragma once

#include <string>
#include <string_view>

namespace akimbo {

struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  [[nodiscard]] bool is_cpu() const { return kind == Kind::cpu; }
  [[nodiscard]] bool is_cuda() const { return kind == Kind::cuda; }
  [[nodiscard]] std::string str() const;  // "cpu", "cuda:0"
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device kCpu{};

// "cpu", "cuda", "cuda:1" or "auto" (the first GPU if there is one, else the CPU). Throws
// ArgumentError for another text, DeviceError when the device asked for is not there.
[[nodiscard]] Device parse_device(std::string_view text);

}  // namespace akimbo
