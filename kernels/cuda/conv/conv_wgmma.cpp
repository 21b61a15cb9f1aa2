// When the sm_90a kernels are used: the user's word, or the record of a self-test that passed.
#include "kernels/cuda/conv/conv_wgmma.h"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/cuda/cache_file.h"
#include "kernels/cuda/conv/conv_own.h"
#include "kernels/device_runtime.h"
#include "kernels/guarded.h"

namespace akimbo::kernels::cuda {
namespace {

constexpr int kFileVersion = 1;

// By device, read once: kernels ask at every call.
class Records {
 public:
  bool passed(int device) {
    const std::lock_guard lock(mutex_);
    const auto found = passed_.find(device);
    if (found != passed_.end()) return found->second;
    return passed_[device] = wgmma_is_recorded();
  }
  void set(int device, bool passed) {
    const std::lock_guard lock(mutex_);
    passed_[device] = passed;
  }

 private:
  std::mutex mutex_;
  std::map<int, bool> passed_;
};
Records& records() {
  static Records instance;
  return instance;
}

std::filesystem::path record_file() { return cache_file("wgmma", current_device()); }

// What a passed self-test was about.
nlohmann::json record_of(int device) {
  const DeviceProperties p = device_properties(device);
  return {{"version", kFileVersion},
          {"device", p.name},
          {"driver", p.driver_version},
          {"toolkit", toolkit_version()},
          {"program", AKIMBO_VERSION},
          {"architectures", built_architectures()},
          {"multiprocessors", p.num_multiprocessors}};
}

// AKIMBO_WGMMA as it is set, or nothing.
std::optional<bool> asked_for() {
  const char* text = std::getenv("AKIMBO_WGMMA");
  const std::string_view value = text == nullptr ? "" : text;
  if (value.empty()) return std::nullopt;
  if (value == "0") return false;
  if (value == "1") return true;
  throw std::invalid_argument("AKIMBO_WGMMA is '" + std::string(value) + "'; it must be 0 or 1");
}

void require_runnable() {
  if (device::runs_hopper_code()) return;
  const DeviceProperties p = device_properties(current_device());
  throw std::invalid_argument(
      "AKIMBO_WGMMA is 1, but these kernels want a GPU of compute capability 9.0 and a program "
      "built for sm_90a; this is " +
      p.name + ", " + std::to_string(p.major) + "." + std::to_string(p.minor) +
      ", and a program for " + built_architectures() + "; leave AKIMBO_WGMMA out");
}

// ---- what the self-test forces ----

std::optional<GatherChoice> gather_forced;
std::optional<WeightGradChoice> weight_grad_forced;
std::atomic<bool> was_launched = false;

template <typename Choice>
std::string name_of(const char* product, const Choice& c) {
  const TileExtents t = extents_of(c.tile);
  return std::string("wgmma ") + product + " " + std::to_string(t.m) + "x" + std::to_string(t.n) +
         "/" + std::to_string(c.splits);
}

// Every tile, and a cut sum, which does not see the tile.
std::vector<GatherChoice> gather_trials() {
  std::vector<GatherChoice> trials = {{GatherTile::wgmma_m128n64, 3}};
  for (const GatherTile tile : wgmma_gather_tiles()) trials.push_back({tile, 1});
  return trials;
}
std::vector<WeightGradChoice> weight_grad_trials() {
  std::vector<WeightGradChoice> trials = {{WeightGradTile::wgmma_m64n128, 3}};
  for (const WeightGradTile tile : wgmma_weight_grad_tiles()) trials.push_back({tile, 1});
  return trials;
}

}  // namespace

bool wgmma_is_on() {
  const std::optional<bool> asked = asked_for();
  if (asked == true) require_runnable();
  if (asked) return *asked;
  return !is_emulated() && records().passed(current_device()) && device::runs_hopper_code();
}

bool wgmma_is_recorded() {
  std::ifstream in(record_file());
  return in && nlohmann::json::parse(in, nullptr, false) == record_of(current_device());
}

double wgmma_time_factor(int channels, int slice) {
  const int padded = (channels + slice - 1) / slice * slice;
  return static_cast<double>(padded) / channels / 1.6;
}

std::optional<GatherChoice> forced_gather() { return gather_forced; }
std::optional<WeightGradChoice> forced_weight_grad() { return weight_grad_forced; }
void note_wgmma_launch() { was_launched = true; }
bool guarded_kernel_ran() { return was_launched; }

std::vector<std::string> guarded_kernels() {
  const std::optional<bool> asked = asked_for();
  if (asked == true) require_runnable();
  if (!asked.value_or(!is_emulated() && device::runs_hopper_code())) return {};
  std::vector<std::string> names;
  for (const GatherChoice& c : gather_trials()) names.push_back(name_of("gather", c));
  for (const WeightGradChoice& c : weight_grad_trials()) names.push_back(name_of("weight", c));
  return names;
}

std::string guarded_state() {
  if (wgmma_is_on()) return "wgmma";
  return guarded_kernels().empty() ? "" : "wgmma after selftest";
}

void force_guarded_kernel(const std::string& name) {
  was_launched = false;
  gather_forced.reset();
  weight_grad_forced.reset();
  for (const GatherChoice& c : gather_trials()) {
    if (name_of("gather", c) == name) gather_forced = c;
  }
  for (const WeightGradChoice& c : weight_grad_trials()) {
    if (name_of("weight", c) == name) weight_grad_forced = c;
  }
  if (!name.empty() && !gather_forced && !weight_grad_forced) {
    throw std::invalid_argument("there is no kernel '" + name + "'");
  }
}

std::string record_guarded_kernels(bool passed) {
  const std::filesystem::path file = record_file();
  records().set(current_device(), passed);
  if (!passed) {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    return file;
  }
  return replace_file(file, record_of(current_device()).dump(1) + "\n") ? file.string() : "";
}

}  // namespace akimbo::kernels::cuda
