// What long work shows: a bar that redraws itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace akimbo::apps {

class Progress {
 public:
  // `every`: steps between plain lines where stderr is no terminal.
  Progress(std::string title, std::int64_t total, std::int64_t every);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total are finished; `note` follows the count, such as the loss.
  void update(std::int64_t done, const std::string& note = "");
  // Ends the bar's line, so that other output begins on its own.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void draw_bar(std::int64_t done, const std::string& note);

  std::string title_;
  std::int64_t total_;
  std::int64_t every_;
  std::int64_t first_ = -1;  // `done` at the first update: a resumed epoch begins in its middle
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, last_draw_;
};

}  // namespace akimbo::apps
