#include "apps/common/stop_signal.h"

namespace akimbo::apps {

namespace {

volatile std::sig_atomic_t g_received = 0;

// SA_RESETHAND has put the default action back by the time this runs.
void note_signal(int signal) { g_received = signal; }

}  // namespace

StopSignal::StopSignal() {
  g_received = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
}

int StopSignal::received() const { return g_received; }

}  // namespace akimbo::apps
