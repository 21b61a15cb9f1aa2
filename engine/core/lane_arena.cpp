#include "engine/core/lane_arena.h"

#include <algorithm>

namespace akimbo {
namespace {

// The latest step of the clock that the step begun last does not come after; -1: none.
int latest_unknown(const LaneClock& clock, const LaneScheduler& scheduler) {
  int latest = -1;
  for (const int step : clock) {
    if (step > latest && !scheduler.is_after(step)) latest = step;
  }
  return latest;
}

}  // namespace

std::size_t LaneArena::round_up(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kGranule - 1) / kGranule * kGranule;
}

LaneArena::Place LaneArena::best_ready(std::size_t bytes, const LaneScheduler& scheduler) {
  Place best{segments_.end()}, run{segments_.end()};
  const auto finish_run = [&] {
    if (run.size >= bytes && (best.size == 0 || run.size < best.size)) best = run;
    run.size = 0;
  };
  for (auto it = segments_.begin(); it != segments_.end(); ++it) {
    if (!it->second.is_free || !scheduler.is_after(it->second.users)) {
      finish_run();
      continue;
    }
    if (run.size == 0) run.first = it;
    run.size += it->second.size;
  }
  finish_run();
  return best;
}

LaneArena::Place LaneArena::longest_idle(std::size_t bytes, const LaneScheduler& scheduler) {
  Place best{segments_.end()};
  for (auto first = segments_.begin(); first != segments_.end(); ++first) {
    Place window{first};
    for (auto it = first; it != segments_.end() && it->second.is_free && window.size < bytes;
         ++it) {
      window.size += it->second.size;
      window.wait = std::max(window.wait, latest_unknown(it->second.users, scheduler));
    }
    if (window.size >= bytes && (best.size == 0 || window.wait < best.wait)) best = window;
  }
  return best;
}

// What is free and ready at the end, and new memory behind it.
LaneArena::Place LaneArena::at_end(std::size_t bytes, const LaneScheduler& scheduler) {
  Place place{segments_.end()};
  while (place.first != segments_.begin()) {
    const auto before = std::prev(place.first);
    if (!before->second.is_free || !scheduler.is_after(before->second.users)) break;
    place.first = before;
    place.size += before->second.size;
  }
  const std::size_t fresh = bytes - place.size;  // no ready run was large enough
  const auto added = segments_.emplace(total_, Segment{fresh, true, {}}).first;
  if (place.size == 0) place.first = added;
  place.size += fresh;
  total_ += fresh;
  return place;
}

std::size_t LaneArena::place(std::size_t bytes, std::size_t limit, LaneScheduler& scheduler) {
  bytes = round_up(bytes);
  Place chosen = best_ready(bytes, scheduler);
  if (chosen.size == 0 && total_ + bytes > limit) chosen = longest_idle(bytes, scheduler);
  if (chosen.size == 0) chosen = at_end(bytes, scheduler);
  return take(chosen.first, bytes, scheduler);
}

std::size_t LaneArena::take(Segments::iterator first, std::size_t bytes, LaneScheduler& scheduler) {
  const std::size_t offset = first->first;
  std::size_t needed = bytes;
  for (auto it = first; needed > 0; it = segments_.erase(it)) {
    const auto& [begin, segment] = *it;
    scheduler.wait(segment.users);
    const std::size_t taken = std::min(needed, segment.size);
    if (segment.size > taken) {
      segments_[begin + taken] = {segment.size - taken, true, segment.users};
    }
    needed -= taken;
  }
  segments_[offset] = {bytes, false, {}};
  return offset;
}

void LaneArena::release(std::size_t offset, const LaneClock& users) {
  Segment& segment = segments_.at(offset);
  segment.is_free = true;
  segment.users = users;
}

}  // namespace akimbo
