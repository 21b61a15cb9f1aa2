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
constexpr StageName kNames[kNumStages] = {
    {"decode", "decoding"},           {"crop", "cropping"},   {"target", "targets"},
    {"wait", "waiting for data"},     {"network", "network"}, {"postprocess", "post-processing"},
    {"output", "drawing and writing"}};

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
  text.back() = ';';
  std::string beside;
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const double seconds = spent.stages.background[i];
    if (seconds > 0) beside += fmt::format(" {} {:.1f} s,", kNames[i].words, seconds);
  }
  if (!beside.empty()) text += " beside it, data threads:" + beside;
  text.pop_back();
  return text;
}

Json TimeReport::json() const {
  const Spent spent = this->spent();
  Json json = {{"total", spent.total}, {"other", spent.other}};
  Json threads = Json::object();
  for (std::size_t i = 0; i < kNumStages; ++i) {
    if (spent.stages.foreground[i] > 0) json[kNames[i].key] = spent.stages.foreground[i];
    if (spent.stages.background[i] > 0) threads[kNames[i].key] = spent.stages.background[i];
  }
  if (!threads.empty()) json["data_threads"] = threads;
  return json;
}

}  // namespace akimbo::apps
