#include "apps/common/time_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace akimbo::apps {

namespace {

struct StageName {
  const char* key;
  const char* words;
};

// In the order of Stage.
constexpr StageName kNames[kNumStages] = {{"decode", "decoding"},
                                          {"pack", "packing"},
                                          {"upload", "uploading"},
                                          {"crop", "cropping"},
                                          {"target", "targets"},
                                          {"wait", "waiting for data"},
                                          {"network", "network"},
                                          {"postprocess", "post-processing"},
                                          {"output", "drawing and writing"}};

// " decoding 4.2 s, targets 0.3 s", of stages that took any time.
std::string list_of(const std::array<double, kNumStages>& seconds) {
  std::string text;
  for (std::size_t i = 0; i < kNumStages; ++i) {
    if (seconds[i] <= 0) continue;
    text += fmt::format("{} {} {:.1f} s", text.empty() ? "" : ",", kNames[i].words, seconds[i]);
  }
  return text;
}

Json json_of(const std::array<double, kNumStages>& seconds) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kNumStages; ++i) {
    if (seconds[i] > 0) json[kNames[i].key] = seconds[i];
  }
  return json;
}

void subtract(std::array<double, kNumStages>& seconds,
              const std::array<double, kNumStages>& other) {
  for (std::size_t i = 0; i < kNumStages; ++i) seconds[i] = std::max(0.0, seconds[i] - other[i]);
}

}  // namespace

TimeReport::Spent TimeReport::spent() const {
  Spent spent{.total = std::chrono::duration<double>(Clock::now() - begin_).count(),
              .stages = stage_seconds()};
  subtract(spent.stages.foreground, before_.foreground);
  subtract(spent.stages.background, before_.background);
  subtract(spent.stages.device, before_.device);
  spent.other = spent.total;
  for (const double seconds : spent.stages.foreground) spent.other -= seconds;
  spent.other = std::max(0.0, spent.other);
  return spent;
}

std::string TimeReport::line() const {
  const Spent spent = this->spent();
  std::string text = fmt::format("{:.1f} s:", spent.total);
  const auto share = [&](const char* words, double seconds) {
    text += fmt::format(" {} {:.1f} %,", words, 100 * seconds / std::max(spent.total, 1e-9));
  };
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const double seconds = spent.stages.foreground[i];
    if (seconds > 0) share(kNames[i].words, seconds);
  }
  share("other", spent.other);
  text.pop_back();
  const std::string threads = list_of(spent.stages.background), gpu = list_of(spent.stages.device);
  if (!threads.empty()) text += "; beside it, data threads:" + threads;
  if (!gpu.empty()) text += "; on the GPU:" + gpu;
  return text;
}

Json TimeReport::json() const {
  const Spent spent = this->spent();
  Json json = {{"total", spent.total}, {"other", spent.other}};
  json.update(json_of(spent.stages.foreground));
  const Json threads = json_of(spent.stages.background), gpu = json_of(spent.stages.device);
  if (!threads.empty()) json["data_threads"] = threads;
  if (!gpu.empty()) json["gpu"] = gpu;
  return json;
}

}  // namespace akimbo::apps
