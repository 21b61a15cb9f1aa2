// How long the steps of a plan take, and what keeps each from being faster: arithmetic, memory, or
// its mere beginning and end. CPU only.
#pragma once

#include <string_view>
#include <vector>

#include "engine/plan/plan.h"

namespace akimbo::plan {

// What this machine reaches at present with the threads of this program.
struct Peaks {
  double flops = 0;             // f32 operations a second, a multiply-add being two
  double bytes_per_second = 0;  // read and written, from main memory
  double step_seconds = 0;      // of a step that has next to nothing to do
};
// Takes about a second.
[[nodiscard]] Peaks measure_peaks();

enum class Bound { compute, memory, launch };
[[nodiscard]] std::string_view bound_name(Bound bound);

struct StepProfile {
  double seconds = 0;  // median
  double flops = 0;    // of count_macs; fast convolutions need fewer, so shares above 1 occur
  double bytes = 0;    // of inputs, weights and output, each once
  Bound bound = Bound::compute;
  double share_of_peak = 0;  // the time that the bound alone would take over the time taken
};

// The floor of a step's time is the longest of flops / peak, bytes / peak and the empty step; the
// bound is which one that is.
[[nodiscard]] StepProfile judge(const Node& node, double seconds, const Peaks& peaks);

// Every step of the plan in order, over `repeats` runs on x after one to warm up.
[[nodiscard]] std::vector<StepProfile> profile_steps(Plan& plan, const Tensor& x, int repeats,
                                                     const Peaks& peaks);

// What bounds most of the time.
[[nodiscard]] Bound verdict(const std::vector<StepProfile>& steps);

}  // namespace akimbo::plan
