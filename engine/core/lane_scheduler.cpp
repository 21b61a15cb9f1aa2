#include "engine/core/lane_scheduler.h"

#include <algorithm>

namespace akimbo {
namespace {

void advance(LaneClock& clock, const LaneClock& other) {
  for (std::size_t lane = 0; lane < clock.size(); ++lane) {
    clock[lane] = std::max(clock[lane], other[lane]);
  }
}

}  // namespace

LaneScheduler::LaneScheduler(int max_lanes)
    : tails_(static_cast<std::size_t>(std::max(max_lanes, 1)), -1) {}

int LaneScheduler::choose(const std::vector<int>& sources) const {
  LaneClock before(tails_.size(), -1);
  int ready = 0;
  for (const int source : sources) {
    const int lane = schedule_.lane[source];
    if (tails_[lane] == source) return lane;
    advance(before, known_[source]);
    ready = std::max(ready, depths_[source]);
  }
  const auto depth_of = [&](int lane) { return tails_[lane] >= 0 ? depths_[tails_[lane]] : 0; };
  int best = 0;
  for (int lane = 0; lane < max_lanes(); ++lane) {
    if (tails_[lane] >= 0 && tails_[lane] <= before[lane]) return lane;
    const int depth = depth_of(lane), least = depth_of(best);
    const bool is_better = least > ready ? depth < least : depth > least && depth <= ready;
    if (is_better) best = lane;
  }
  return best;
}

void LaneScheduler::begin(std::vector<int> sources) {
  std::sort(sources.rbegin(), sources.rend());  // the latest tells most
  const int step = static_cast<int>(schedule_.lane.size());
  const int lane = choose(sources);
  const int tail = tails_[lane];
  known_.push_back(tail >= 0 ? known_[tail] : LaneClock(tails_.size(), -1));
  depths_.push_back(tail >= 0 ? depths_[tail] + 1 : 1);
  schedule_.lane.push_back(lane);
  schedule_.waits.emplace_back();
  schedule_.num_lanes = std::max(schedule_.num_lanes, lane + 1);
  for (const int source : sources) wait(source);
  known_.back()[lane] = step;
  tails_[lane] = step;
}

bool LaneScheduler::is_after(int step) const { return known_.back()[schedule_.lane[step]] >= step; }

bool LaneScheduler::is_after(const LaneClock& clock) const {
  return std::equal(clock.begin(), clock.end(), known_.back().begin(), std::less_equal<>());
}

void LaneScheduler::wait(int step) {
  if (is_after(step)) return;
  std::vector<int>& waits = schedule_.waits.back();
  std::erase_if(waits, [&](int w) { return known_[step][schedule_.lane[w]] >= w; });
  waits.push_back(step);
  depths_.back() = std::max(depths_.back(), depths_[step] + 1);
  advance(known_.back(), known_[step]);
}

void LaneScheduler::wait(const LaneClock& clock) {
  LaneClock latest_first = clock;
  std::sort(latest_first.rbegin(), latest_first.rend());
  for (const int step : latest_first) {
    if (step >= 0) wait(step);
  }
}

}  // namespace akimbo
