#include "engine/selftest/selftest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "engine/selftest/case.h"
#include "kernels/guarded.h"

namespace akimbo::selftest {
namespace {

// Which numbers the inputs are drawn from. Coarse ones go unchanged into any dtype, so that one
// reference serves both 16-bit types; the others fill an f32.
enum class Grid { f32, coarse };

double draw(RandomStream& random, const Input& input, Grid grid) {
  double value = random.uniform(input.low, input.high);
  if (input.apart) {
    const double middle = (input.low + input.high) / 2;
    value = (value + (value < middle ? input.low : input.high)) / 2;
  }
  if (input.kind == Kind::index) {
    return std::min(input.high, std::floor(random.uniform(input.low, input.high + 1)));
  }
  if (grid == Grid::f32) return static_cast<float>(value);
  // 7 bits below the largest power of two: bf16 keeps 8.
  const double unit =
      std::exp2(std::ceil(std::log2(std::max(std::abs(input.low), std::abs(input.high)))) - 7);
  return std::round(value / unit) * unit;
}

Tensor draw_tensor(const std::string& op, const Input& input, Grid grid) {
  RandomStream random(1, stream_of(op), stream_of(input.name));
  std::vector<double> values(static_cast<std::size_t>(input.shape.numel()));
  for (double& value : values) value = draw(random, input, grid);
  return Tensor::from_values<double>(input.shape, values);
}

// Outputs and gradients by name, in double on the CPU.
using Values = std::vector<std::pair<std::string, Tensor>>;

struct Setting {
  Device device;
  DType dtype;
  bool tf32 = false;
  std::string kernel = "";  // a guarded one that is to compute products
  [[nodiscard]] bool half() const { return dtype == DType::bf16 || dtype == DType::f16; }
  [[nodiscard]] Grid grid() const { return half() ? Grid::coarse : Grid::f32; }
  [[nodiscard]] std::string name() const { return tf32 ? "tf32" : std::string(dtype_name(dtype)); }
};

DType dtype_of(const Input& input, DType dtype) {
  const bool half = dtype == DType::bf16 || dtype == DType::f16;
  if (input.kind == Kind::index) return DType::i64;
  return input.kind == Kind::vector && half ? DType::f32 : dtype;
}

Tensor to_reference(const Tensor& tensor) { return tensor.detach().to(kCpu).to(DType::f64); }

Values evaluate(const Case& c, const Setting& setting, Grid grid) {
  std::vector<Tensor> inputs;
  bool gradients = false;
  for (const Input& input : c.inputs) {
    Tensor tensor =
        draw_tensor(c.name, input, grid).to(dtype_of(input, setting.dtype)).to(setting.device);
    const bool leaf = c.backward && input.gradient && input.kind != Kind::index;
    if (leaf) tensor.set_requires_grad();
    gradients = gradients || leaf;
    inputs.push_back(tensor);
  }
  const Case::Outputs outputs = c.run(inputs);
  Values values;
  for (const auto& [name, tensor] : outputs) values.emplace_back(name, to_reference(tensor));
  if (!gradients) return values;
  const Tensor& y = outputs.front().second;
  const Tensor grad_y = draw_tensor(c.name, {.name = "grad_y", .shape = y.shape()}, grid);
  y.backward(grad_y.to(y.dtype()).to(setting.device));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    values.emplace_back("gradient of " + c.inputs[i].name, to_reference(inputs[i].grad()));
  }
  return values;
}

// Largest difference as a share of the largest expected magnitude; infinite where shapes differ or
// one alone is NaN.
double error_of(const Tensor& actual, const Tensor& expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(actual.shape() == expected.shape())) return kInfinity;
  double worst = 0, largest = 0;
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    const double a = actual.values<double>()[static_cast<std::size_t>(i)];
    const double e = expected.values<double>()[static_cast<std::size_t>(i)];
    if (std::isnan(a) != std::isnan(e)) return kInfinity;
    if (std::isnan(e) || a == e) continue;
    worst = std::max(worst, std::abs(a - e));
    largest = std::max(largest, std::abs(e));
  }
  for (const double e : expected.values<double>()) {
    if (std::isfinite(e)) largest = std::max(largest, std::abs(e));
  }
  return largest > 0 ? worst / largest : worst;
}

double roundoff(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-53;
    case DType::bf16: return 0x1p-9;
    case DType::f16: return 0x1p-11;
    default: return 0x1p-24;
  }
}

// Roundings to the dtype, and those of sums in f32 (f64): they behave like a random walk, of
// which eight deviations and the few operations around a sum are allowed. tf32 cuts factors to 10
// bits.
double tolerance_of(const Case& c, const Setting& setting) {
  const double inner = roundoff(setting.dtype == DType::f64 ? DType::f64 : DType::f32);
  return c.roundings * roundoff(setting.dtype) + inner * (16 + 8 * std::sqrt(c.length)) +
         (setting.tf32 ? 0x1p-9 : 0);
}

class ForcedKernel {
 public:
  explicit ForcedKernel(const std::string& name) { kernels::cuda::force_guarded_kernel(name); }
  ~ForcedKernel() { kernels::cuda::force_guarded_kernel(""); }
  ForcedKernel(const ForcedKernel&) = delete;
  ForcedKernel& operator=(const ForcedKernel&) = delete;
};

// Works `expected` out if that was not done yet. ran: whether the setting's kernel had a part in
// it.
Result compare(const Case& c, const Setting& setting, Values& expected, bool& ran) {
  Result result{.op = setting.kernel.empty() ? c.name : c.name + ", " + setting.kernel,
                .dtype = setting.name(),
                .worst = "",
                .error = 0,
                .tolerance = tolerance_of(c, setting),
                .failure = ""};
  try {
    if (expected.empty()) expected = evaluate(c, {kCpu, DType::f64}, setting.grid());
    set_compute_mode({.deterministic = true, .tf32 = setting.tf32});
    const ForcedKernel forced(setting.kernel);
    const Values actual = evaluate(c, setting, setting.grid());
    ran = setting.kernel.empty() || kernels::cuda::guarded_kernel_ran();
    if (actual.size() != expected.size()) result.failure = "a gradient is missing";
    for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
      const double error = error_of(actual[i].second, expected[i].second);
      if (!result.worst.empty() && error <= result.error) continue;
      result.worst = actual[i].first;
      result.error = error;
    }
  } catch (const std::exception& error) {
    result.failure = error.what();
  }
  return result;
}

std::vector<std::string> guarded_kernels_of(Device device) {
  if (device.is_cpu()) return {};
  synchronize(device);  // makes it the current one
  return kernels::cuda::guarded_kernels();
}

std::vector<Setting> settings_of(const Case& c, Device device) {
  if (device.is_cpu()) return {{device, DType::f32}};
  std::vector<Setting> settings = {{device, DType::f32}};
  if (c.products) settings.push_back({device, DType::f32, true});
  if (c.halves) settings.push_back({device, DType::bf16});
  if (c.halves) settings.push_back({device, DType::f16});
  settings.push_back({device, DType::f64});
  if (!c.products || !c.halves) return settings;
  for (const std::string& kernel : guarded_kernels_of(device)) {
    settings.push_back({device, DType::bf16, false, kernel});
    settings.push_back({device, DType::f16, false, kernel});
  }
  return settings;
}

std::string guarded_name(const std::string& kernel, const std::string& dtype) {
  return kernel + " " + dtype;
}

// What a guarded kernel leaves to others was checked with those.
void run_case(const Case& c, Device device, const Options& options, Summary& summary) {
  Values by_grid[2];  // Grid::f32, Grid::coarse
  for (const Setting& setting : settings_of(c, device)) {
    Values& expected = by_grid[setting.half() ? 1 : 0];
    bool ran = true;
    const Result result = compare(c, setting, expected, ran);
    if (result.failure.empty() && !ran) continue;
    if (!setting.kernel.empty()) summary.guarded.insert(guarded_name(setting.kernel, result.dtype));
    ++(result.passed() ? summary.num_passed : summary.num_failed);
    if (options.on_result) options.on_result(result);
  }
}

// One that computed nothing, as when the driver refuses its tensor maps; "" when there is none.
std::string guarded_kernel_without_case(Device device, const Summary& summary) {
  for (const std::string& kernel : guarded_kernels_of(device)) {
    for (const DType dtype : {DType::bf16, DType::f16}) {
      const std::string name = guarded_name(kernel, std::string(dtype_name(dtype)));
      if (!summary.guarded.contains(name)) return name;
    }
  }
  return "";
}

}  // namespace

Summary run_cases(const std::vector<Case>& cases, Device device, const Options& options) {
  const ComputeMode before = compute_mode();
  Summary summary;
  for (const Case& c : cases) {
    if (c.name.find(options.filter) == std::string::npos) continue;
    run_case(c, device, options, summary);
  }
  set_compute_mode(before);
  return summary;
}

std::string record(Device device, const Options& options, const Summary& summary) {
  const bool whole = !options.small && options.filter.empty();
  if (!whole || guarded_kernels_of(device).empty()) return "";
  const std::string idle = guarded_kernel_without_case(device, summary);
  const bool passed = summary.num_failed == 0 && idle.empty();
  const std::string file = kernels::cuda::record_guarded_kernels(passed);
  if (!idle.empty()) return "no case ran on " + idle + "; the kernels for sm_90a stay unused";
  if (!passed) return "the kernels for sm_90a stay unused";
  return file.empty()
             ? "the kernels for sm_90a passed, but that could not be written down, and they "
               "stay unused; AKIMBO_WGMMA=1 uses them"
             : "the kernels for sm_90a are used from now on, as " + file + " says";
}

Summary run(Device device, const Options& options) {
  std::vector<Case> cases;
  for (auto* family :
       {&elementwise_cases, &layout_cases, &layer_cases, &head_cases, &pose_cases, &optim_cases}) {
    for (Case& c : family(options.small)) cases.push_back(std::move(c));
  }
  return run_cases(cases, device, options);
}

}  // namespace akimbo::selftest
