// What the GPU backend is to reach on one H200, beside what was measured.
#pragma once

#include <string>
#include <vector>

#include "bench/gpu/report.h"

namespace akimbo::bench {

// Of our kernels against cuDNN's best, geometric means and least ratios of the layers; of the
// copy's bandwidth; of a training step.
inline constexpr double kWantedMean = 0.95, kWantedNarrowMean = 1.10, kWantedLeast = 0.75;
inline constexpr double kWantedSpecial = 1.5;  // stems and 4x4 stride-2 deconvolutions
inline constexpr double kWantedTuned = 1;
inline constexpr double kWantedShare = 0.9;
inline constexpr double kWantedIdle = 0.01;
// The tuner may choose cuDNN's own kernel, which is then timed twice: this much is noise.
inline constexpr double kTimingNoise = 0.03;

struct Verdict {
  std::string what;
  double got = 0, wanted = 0;
  bool at_most = false;
  int num_rows = 0;
  double noise = 0;
  [[nodiscard]] bool reached() const {
    return at_most ? got <= wanted + noise : got >= wanted - noise;
  }
};

// Of one row: "pass", "SHORT (1.5)", or "" where nothing is asked or nothing was measured.
[[nodiscard]] std::string verdict_of(const Row& row, const Ceilings& ceilings);
// Of all rows together; what no row speaks of is not there.
[[nodiscard]] std::vector<Verdict> judge(const std::vector<Row>& rows, const Ceilings& ceilings);

}  // namespace akimbo::bench
