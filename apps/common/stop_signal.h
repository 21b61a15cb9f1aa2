// SIGINT and SIGTERM as a request to finish the step in hand and save.
#pragma once

#include <csignal>

namespace akimbo::apps {

// While one lives, the first of either signal is only noted; the second acts as usual, for those
// who cannot wait.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // 0, SIGINT or SIGTERM.
  [[nodiscard]] int received() const;

 private:
  struct sigaction old_int_ {
  }, old_term_{};
};

}  // namespace akimbo::apps
