// What the sections of the GPU benchmark share: the device, the settings, the clock, random data.
#pragma once

#include <chrono>
#include <functional>

#include "bench/gpu/report.h"
#include "bench/gpu/timing.h"
#include "engine/core/tensor.h"

namespace akimbo::bench {

struct Settings {
  bool quick = false;  // tiny sizes: the logic, not the speed
  std::int64_t batch = 64;
  double budget_s = 270;
  std::string only;  // a section: layers, kernels, networks
  std::string json;
};

struct Run {
  Device device;
  Settings settings;
  double l2_bytes = 0;
  Timer timer;
  Report report;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

  Run(Device d, const Settings& s, const TimerOptions& timer_options)
      : device(d), settings(s), timer(d, timer_options) {}
  [[nodiscard]] bool out_of_time() const;
  [[nodiscard]] bool wants(const char* section) const {
    return settings.only.empty() || settings.only == section;
  }
  // Adds the row that `measure` fills; says why when it throws or time is up.
  void row(Row row, const std::function<void(Row&)>& measure);
};

// Uniform in [low, high), never zeros; the same for the same seed. Large tensors repeat a tile of a
// million numbers, whose length is odd so that rows differ.
[[nodiscard]] Tensor random_tensor(const Shape& shape, DType dtype, Device device,
                                   std::uint64_t seed, double low = -1, double high = 1);

// |a - b| / |b| in the 2-norm; both become f32 on the CPU first.
[[nodiscard]] double relative_error(const Tensor& a, const Tensor& b);

[[nodiscard]] double bytes_of(const Tensor& t);

void measure_ceilings(Run& run);
void run_conv_layers(Run& run);
void run_kernels(Run& run);
void run_networks(Run& run);

}  // namespace akimbo::bench
