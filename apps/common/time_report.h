// Where the time went since the report began: one line for people, and JSON.
#pragma once

#include <chrono>
#include <string>

#include "engine/core/stage_times.h"
#include "engine/io/json.h"

namespace akimbo::apps {

class TimeReport {
 public:
  TimeReport() : begin_(Clock::now()), before_(stage_seconds()) {}

  // "12.3 s: waiting for data 3 %, network 88 %, ..., other 7 %; beside it, data threads: decoding
  // 4.2 s, ...; on the GPU: uploading 0.3 s, ..." Stages that took no time are left out.
  [[nodiscard]] std::string line() const;
  // {"total": 12.3, "wait": 0.4, ..., "other": 0.9, "data_threads": {"decode": 4.2, ...}, "gpu":
  // {"upload": 0.3, ...}}, seconds.
  [[nodiscard]] Json json() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Spent {
    double total = 0, other = 0;
    StageSeconds stages;
  };
  [[nodiscard]] Spent spent() const;

  Clock::time_point begin_;
  StageSeconds before_;
};

}  // namespace akimbo::apps
