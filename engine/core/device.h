// Where a tensor lives, and how a device computes.
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

// "cpu", "cuda", "cuda:1" or "auto" (the first GPU if there is one, else the CPU; never the
// emulated GPU of the tests). Throws ArgumentError for another text, DeviceError that says why
// when the device asked for is not there.
[[nodiscard]] Device parse_device(std::string_view text);

// GPUs that this program can use, and why there is none ("" otherwise).
[[nodiscard]] int num_gpus();
[[nodiscard]] std::string no_gpu_reason();

// Facts about a device, for people: "NVIDIA H200, sm_90, 132 multiprocessors, 139.8 GiB".
[[nodiscard]] std::string describe_device(Device device);
// "CUDA 13.0 (sm_90a compute_80)", "" when the program was built without.
[[nodiscard]] std::string cuda_build();

// Waits until everything that was given to the device is done. Nothing on the CPU.
void synchronize(Device device);

// How kernels compute from now on. The CPU is always deterministic.
struct ComputeMode {
  bool deterministic = false;  // GPUs: only kernels whose sums have a fixed order
  bool tf32 = false;           // GPUs: products of f32 may round their factors to 10 bits
  // The CPU: convolutions may use Winograd's algorithm, up to three times as fast, with rounding
  // errors a few times larger (kernels/cpu/conv_winograd.h), without gradient or with.
  bool winograd_inference = true;
  bool winograd_training = false;
  // The CPU: convolutions without gradient may round their factors to bf16 (cpu_has_bf16 says
  // whether it has instructions for that; else this changes nothing). Sums and maps stay f32.
  bool bf16_inference = false;
};
void set_compute_mode(const ComputeMode& mode);
[[nodiscard]] ComputeMode compute_mode();

// Whether this CPU has instructions for products of bf16 factors.
[[nodiscard]] bool cpu_has_bf16();

}  // namespace akimbo
