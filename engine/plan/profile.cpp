#include "engine/plan/profile.h"

#include <algorithm>
#include <array>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "engine/ops/elementwise.h"
#include "kernels/peaks.h"

namespace akimbo::plan {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A ReLU of one element: what any step costs at least.
double empty_step_seconds() {
  const Tensor x = Tensor::full({1, 1, 1, 1}, 1);
  Plan plan(
      [](const Tensor& in) {
        return NamedTensors{{"y", ops::relu(in)}};
      },
      x.shape(), DType::f32, kCpu);
  std::vector<double> seconds;
  for (int i = 0; i < 200; ++i) seconds.push_back(plan.profile(x).front());
  return median(std::move(seconds));
}

double num_bytes(const Tensor& tensor) {
  return tensor.defined() ? static_cast<double>(tensor.num_bytes()) : 0;
}

}  // namespace

Peaks measure_peaks() {
  constexpr std::int64_t kBytes = 64 << 20;  // beyond the caches
  return {.flops = kernels::cpu::fma_peak_flops(num_threads(), kernels::cpu::Clock::wall),
          .bytes_per_second = kernels::cpu::copy_bandwidth(kBytes),
          .step_seconds = empty_step_seconds()};
}

std::string_view bound_name(Bound bound) {
  constexpr std::array<std::string_view, 3> kNames = {"compute", "memory", "launch"};
  return kNames[static_cast<std::size_t>(bound)];
}

StepProfile judge(const Node& node, double seconds, const Peaks& peaks) {
  StepProfile step{.seconds = seconds, .flops = 2.0 * static_cast<double>(count_macs(node.step))};
  for (const Tensor& input : node.step.inputs) step.bytes += num_bytes(input);
  for (const auto& [name, tensor] : node.step.constants) step.bytes += num_bytes(tensor);
  step.bytes += num_bytes(node.step.output);
  const std::array<double, 3> floors = {step.flops / peaks.flops,
                                        step.bytes / peaks.bytes_per_second, peaks.step_seconds};
  const auto longest = std::max_element(floors.begin(), floors.end());
  step.bound = static_cast<Bound>(longest - floors.begin());
  step.share_of_peak = seconds > 0 ? *longest / seconds : 0;
  return step;
}

std::vector<StepProfile> profile_steps(Plan& plan, const Tensor& x, int repeats,
                                       const Peaks& peaks) {
  if (!x.device().is_cpu()) {
    throw_error<ArgumentError>("[profile] single steps are timed on the CPU only, not on {}",
                               x.device().str());
  }
  (void)plan.run(x);
  std::vector<std::vector<double>> seconds(plan.nodes().size());
  for (int i = 0; i < std::max(repeats, 1); ++i) {
    const std::vector<double> run = plan.profile(x);
    for (std::size_t k = 0; k < run.size(); ++k) seconds[k].push_back(run[k]);
  }
  std::vector<StepProfile> steps;
  for (std::size_t k = 0; k < seconds.size(); ++k) {
    steps.push_back(judge(plan.nodes()[k], median(std::move(seconds[k])), peaks));
  }
  return steps;
}

Bound verdict(const std::vector<StepProfile>& steps) {
  std::array<double, 3> seconds{};
  for (const StepProfile& step : steps)
    seconds[static_cast<std::size_t>(step.bound)] += step.seconds;
  return static_cast<Bound>(std::max_element(seconds.begin(), seconds.end()) - seconds.begin());
}

}  // namespace akimbo::plan
