// Chooses among ways to compute the same thing by timing them once per problem, and remembers the
// choices in a file, so that later programs neither wait nor decide differently.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda {

struct Candidate {
  std::string name;           // written to the file: the same in every program
  std::function<void()> run;  // gives its work to the stream; throws DeviceFailure if it cannot
};

class Tuner {
 public:
  // Reads the choices of `file` if there are any; a file that cannot be read is as good as none,
  // and is replaced. An empty path keeps choices in memory only.
  explicit Tuner(std::filesystem::path file);

  // Of the current device: AKIMBO_TUNE_CACHE, or conv_<device name>.json in ~/.cache/akimbo
  // (XDG_CACHE_HOME/akimbo). AKIMBO_TUNE_CACHE= (empty) writes no file.
  static Tuner& of_device(int device);

  // Name of the candidate remembered for `key`; "" when there is none.
  [[nodiscard]] std::string remembered(const std::string& key) const;
  // The remembered one if it is among the candidates, or else the fastest: runs every candidate
  // some times and waits for each. Throws the last failure when none runs.
  const Candidate& choose(const std::string& key, Stream stream,
                          const std::vector<Candidate>& candidates);

 private:
  struct Choice {
    std::string name;
    double ms = 0;
  };
  [[nodiscard]] std::map<std::string, Choice> read() const;
  void write();

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<std::string, Choice> choices_;
};

// Milliseconds of one run on the stream, the least of a few turns.
[[nodiscard]] double time_run(Stream stream, const std::function<void()>& run);

}  // namespace akimbo::kernels::cuda
