#include "kernels/cuda/tuner.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/cache_file.h"

namespace akimbo::kernels::cuda {
namespace {

namespace fs = std::filesystem;

constexpr int kFileVersion = 1;

fs::path file_of_choices(int device) {
  if (const char* file = std::getenv("AKIMBO_TUNE_CACHE")) return file;
  return cache_file("conv", device);
}

class Timer {
 public:
  explicit Timer(Stream stream)
      : stream_(stream),
        begin_(create_event(current_device())),
        end_(create_event(current_device())) {}
  ~Timer() {
    destroy_event(begin_);
    destroy_event(end_);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Milliseconds of `repeats` runs.
  double time(const std::function<void()>& run, int repeats) {
    record_event(begin_, stream_);
    for (int i = 0; i < repeats; ++i) run();
    record_event(end_, stream_);
    synchronize_event(end_);
    return elapsed_ms(begin_, end_);
  }

 private:
  Stream stream_;
  Event begin_, end_;
};

}  // namespace

double time_run(Stream stream, const std::function<void()>& run) {
  constexpr double kTurnMs = 0.5;  // long beside what events and launches add
  constexpr int kTurns = 3, kMaxRepeats = 20;
  Timer timer(stream);
  timer.time(run, 1);  // loads modules, fills caches
  const double once = timer.time(run, 1);
  const int repeats = std::clamp(static_cast<int>(kTurnMs / std::max(once, 1e-3)), 1, kMaxRepeats);
  double best = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < kTurns; ++turn) {
    best = std::min(best, timer.time(run, repeats) / repeats);
  }
  return best;
}

Tuner::Tuner(fs::path file) : file_(std::move(file)), choices_(read()) {}

Tuner& Tuner::of_device(int device) {
  static std::mutex mutex;
  static std::map<int, std::unique_ptr<Tuner>> tuners;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Tuner>& tuner = tuners[device];
  if (!tuner) tuner = std::make_unique<Tuner>(file_of_choices(device));
  return *tuner;
}

std::string Tuner::remembered(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = choices_.find(key);
  return found == choices_.end() ? "" : found->second.name;
}

const Candidate& Tuner::choose(const std::string& key, Stream stream,
                               const std::vector<Candidate>& candidates) {
  const std::string known = remembered(key);
  const Candidate* best = nullptr;
  double best_ms = std::numeric_limits<double>::infinity();
  std::string failure = "[tuner] there is nothing to choose from for " + key;
  if (candidates.size() == 1) return candidates[0];
  for (const Candidate& candidate : candidates) {
    if (candidate.name == known) return candidate;
  }
  for (const Candidate& candidate : candidates) {
    try {
      const double ms = time_run(stream, candidate.run);
      if (ms < best_ms) {
        best = &candidate;
        best_ms = ms;
      }
    } catch (const std::runtime_error& e) {
      // It does not take this problem, or there is no memory for its workspace; others may run.
      failure = e.what();
    }
  }
  if (best == nullptr) throw DeviceFailure(failure);
  const std::lock_guard lock(mutex_);
  choices_[key] = {best->name, best_ms};
  write();
  return *best;
}

std::map<std::string, Tuner::Choice> Tuner::read() const {
  std::map<std::string, Choice> choices;
  std::ifstream in(file_);
  if (file_.empty() || !in) return choices;
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object() || json.value("version", nlohmann::json()) != kFileVersion) return choices;
  const auto entries = json.find("choices");
  if (entries == json.end() || !entries->is_object()) return choices;
  for (const auto& [key, entry] : entries->items()) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) continue;
    const auto ms = entry.find("ms");
    choices[key] = {entry["name"].get<std::string>(),
                    ms != entry.end() && ms->is_number() ? ms->get<double>() : 0.0};
  }
  return choices;
}

// Beside what other programs wrote meanwhile. Where the folder cannot be written to, choices last
// for this program only.
void Tuner::write() {
  if (file_.empty()) return;
  std::map<std::string, Choice> all = read();
  for (const auto& [key, choice] : choices_) all[key] = choice;
  nlohmann::json entries = nlohmann::json::object();
  for (const auto& [key, choice] : all) {
    entries[key] = {{"name", choice.name}, {"ms", choice.ms}};
  }
  replace_file(file_,
               nlohmann::json{{"version", kFileVersion}, {"choices", entries}}.dump(1) + "\n");
}

}  // namespace akimbo::kernels::cuda
