#include "engine/core/lane_player.h"

#include <functional>

#include "engine/core/error.h"
#include "kernels/common/exec.h"

namespace akimbo {

LanePlayer::LanePlayer(Lanes& lanes, const WorkRecord& record, const LanePlan& plan, void* memory)
    : WorkWatcher(lanes.device()),
      lanes_(lanes),
      record_(record),
      plan_(plan),
      memory_(static_cast<char*>(memory)),
      is_awaited_(record.ops.size(), false),
      marks_(record.ops.size(), -1) {
  for (const auto& waits : plan.schedule.waits) {
    for (const int op : waits) is_awaited_[op] = true;
  }
}

void LanePlayer::finish() {
  if (next_event_ != record_.events.size()) differ("ended sooner");
  require_same();
}

const void* LanePlayer::address_of(int value) const {
  const WorkRecord::Value& v = record_.values[value];
  return v.is_own ? memory_ + plan_.offsets[value] : v.base;
}

int LanePlayer::next(WorkRecord::EventKind kind) {
  if (next_event_ == record_.events.size() || record_.events[next_event_].kind != kind) return -1;
  return record_.events[next_event_++].index;
}

void LanePlayer::differ(const char* how) noexcept {
  if (difference_ == nullptr) difference_ = how;
}

void LanePlayer::require_same() const {
  if (difference_ == nullptr) return;
  throw_error<Error>(
      "[graph] work that was recorded twice {} the second time, and cannot be put into lanes; "
      "record it as one (train.cuda_lanes = 1)",
      difference_);
}

void* LanePlayer::allocate(std::size_t bytes) {
  const int value = next(WorkRecord::EventKind::allocation);
  if (value < 0 || record_.values[value].bytes != bytes) differ("asked for other memory");
  require_same();
  return memory_ + plan_.offsets[value];
}

bool LanePlayer::free(void* pointer) noexcept {
  const std::less<const void*> below;
  if (below(pointer, memory_) || !below(pointer, memory_ + plan_.total_bytes)) return false;
  const int value = next(WorkRecord::EventKind::release);
  if (value < 0 || address_of(value) != pointer) differ("gave memory back at other times");
  return true;
}

void LanePlayer::access(const void* pointer, bool writes) {
  if (next_note_ == record_.notes.size()) {
    differ("used more memory");
  } else {
    const WorkRecord::Note& note = record_.notes[next_note_++];
    const void* wanted = static_cast<const char*>(address_of(note.value)) + note.offset;
    if (wanted != pointer || note.writes != writes) differ("used other memory");
  }
  require_same();
}

kernels::Exec LanePlayer::begin_op(const kernels::Exec& exec) {
  op_ = next(WorkRecord::EventKind::op);
  if (op_ < 0) differ("had other ops");
  require_same();
  const int lane = plan_.schedule.lane[op_];
  for (const int op : plan_.schedule.waits[op_]) lanes_.wait(lane, marks_[op]);
  kernels::Exec in_lane = exec;
  in_lane.stream = lanes_.stream(lane);
  return in_lane;
}

void LanePlayer::end_op() noexcept {
  if (next_note_ != record_.ops[op_].num_notes) differ("used other memory");
  try {
    if (is_awaited_[op_]) marks_[op_] = lanes_.mark(plan_.schedule.lane[op_]);
  } catch (const std::exception&) {
    differ("failed");  // the capture is broken, and its end says why
  }
}

}  // namespace akimbo
