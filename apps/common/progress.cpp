#include "apps/common/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace akimbo::apps {

namespace {

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string title, std::int64_t total, std::int64_t every)
    : title_(std::move(title)),
      total_(total),
      every_(std::max<std::int64_t>(every, 1)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()) {}

Progress::~Progress() { finish(); }

void Progress::update(std::int64_t done, const std::string& note) {
  if (first_ < 0) first_ = done - 1;
  const bool last = done >= total_;
  if (terminal_) {
    const auto now = Clock::now();
    if (drawn_ && !last && now - last_draw_ < std::chrono::milliseconds(100)) return;
    last_draw_ = now;
    draw_bar(done, note);
  } else if (done % every_ == 0 || last) {
    fmt::print(stderr, "{} {}/{} {}\n", title_, done, total_, note);
  }
}

void Progress::draw_bar(std::int64_t done, const std::string& note) {
  constexpr std::int64_t kBarColumns = 20;
  const std::int64_t total = std::max<std::int64_t>(total_, 1);
  const auto filled = static_cast<std::size_t>(std::min(done, total) * kBarColumns / total);
  const double passed = std::chrono::duration<double>(Clock::now() - start_).count();
  const std::int64_t steps = std::max<std::int64_t>(done - first_, 1);
  const double left = passed / static_cast<double>(steps) * static_cast<double>(total_ - done);
  std::string line =
      fmt::format("{} [{}{}] {}/{} {} left {}", title_, std::string(filled, '='),
                  std::string(kBarColumns - filled, ' '), done, total_, clock_text(left), note);
  line.resize(std::min(line.size(), terminal_columns() - 1));
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (terminal_ && drawn_) fmt::print(stderr, "\n");
  drawn_ = false;
}

}  // namespace akimbo::apps
