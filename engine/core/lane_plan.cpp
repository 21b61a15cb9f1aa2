#include "engine/core/lane_plan.h"

#include <algorithm>
#include <limits>

#include "engine/core/lane_arena.h"

namespace akimbo {
namespace {

// Who used a value last.
class Users {
 public:
  // What an op that uses the value comes after.
  void add_sources(bool writes, std::vector<int>& sources) const {
    if (writer_ >= 0) sources.push_back(writer_);
    if (writes) sources.insert(sources.end(), readers_.begin(), readers_.end());
  }
  void add(int op, bool writes) {
    if (writes) {
      writer_ = op;
      readers_.clear();
    } else {
      readers_.push_back(op);
    }
  }
  [[nodiscard]] LaneClock clock(const LaneScheduler& scheduler) const {
    LaneClock clock(static_cast<std::size_t>(scheduler.max_lanes()), -1);
    const auto note = [&](int op) {
      int& latest = clock[scheduler.schedule().lane[op]];
      latest = std::max(latest, op);
    };
    if (writer_ >= 0) note(writer_);
    for (const int reader : readers_) note(reader);
    return clock;
  }

 private:
  int writer_ = -1;
  std::vector<int> readers_;  // since it was written
};

// First and last op of each value; last is none for those that outlive the work.
struct Life {
  int first = -1, last = -1;
};

std::vector<Life> lives_of(const WorkRecord& record) {
  std::vector<Life> lives(record.values.size());
  for (int op = 0; op < static_cast<int>(record.ops.size()); ++op) {
    for (const WorkRecord::Access& access : record.ops[op].accesses) {
      Life& life = lives[access.value];
      if (life.first < 0) life.first = op;
      if (!record.values[access.value].outlives) life.last = op;
    }
  }
  return lives;
}

class Planner {
 public:
  Planner(const WorkRecord& record, int max_lanes, std::size_t limit)
      : record_(record),
        limit_(limit),
        lives_(lives_of(record)),
        users_(record.values.size()),
        scheduler_(max_lanes) {
    plan_.offsets.assign(record.values.size(), 0);
  }

  LanePlan run() {
    for (int op = 0; op < static_cast<int>(record_.ops.size()); ++op) add(op);
    for (std::size_t v = 0; v < record_.values.size(); ++v) {
      // Never used: kept apart if it stays, else it only needs an address.
      const WorkRecord::Value& value = record_.values[v];
      if (!value.is_own || lives_[v].first >= 0) continue;
      plan_.offsets[v] = value.outlives && !record_.ops.empty() ? place(v) : LaneArena::kGranule;
    }
    plan_.schedule = scheduler_.schedule();
    plan_.total_bytes = std::max(arena_.total_bytes(), 2 * LaneArena::kGranule);
    return std::move(plan_);
  }

 private:
  std::size_t place(std::size_t value) {
    return arena_.place(record_.values[value].bytes, limit_, scheduler_);
  }

  // A value's first op has nothing in the value to read, so it counts as its writer: all that
  // follow come after it, and so after what lay there before.
  [[nodiscard]] bool writes(const WorkRecord::Access& access, int op) const {
    return access.writes ||
           (record_.values[access.value].is_own && lives_[access.value].first == op);
  }

  void add(int op) {
    const auto& accesses = record_.ops[op].accesses;
    std::vector<int> sources;
    for (const auto& access : accesses) {
      users_[access.value].add_sources(writes(access, op), sources);
    }
    scheduler_.begin(std::move(sources));
    for (const auto& access : accesses) users_[access.value].add(op, writes(access, op));
    each_once(accesses, [&](int value) {
      if (lives_[value].first == op) plan_.offsets[value] = place(static_cast<std::size_t>(value));
    });
    each_once(accesses, [&](int value) {
      if (lives_[value].last == op) {
        arena_.release(plan_.offsets[value], users_[value].clock(scheduler_));
      }
    });
  }

  // Of the work's own values; an op may name one several times.
  template <typename Function>
  void each_once(const std::vector<WorkRecord::Access>& accesses, const Function& function) const {
    std::vector<int> values;
    for (const auto& access : accesses) {
      if (record_.values[access.value].is_own) values.push_back(access.value);
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    for (const int value : values) function(value);
  }

  const WorkRecord& record_;
  std::size_t limit_;
  std::vector<Life> lives_;
  std::vector<Users> users_;
  LaneScheduler scheduler_;
  LaneArena arena_;
  LanePlan plan_;
};

}  // namespace

std::size_t lane_slack(std::size_t chain_bytes) {
  return std::max(chain_bytes / 32, std::size_t{1} << 20);
}

LanePlan plan_lanes(const WorkRecord& record, int max_lanes) {
  LanePlan chain = Planner(record, 1, std::numeric_limits<std::size_t>::max()).run();
  chain.chain_bytes = chain.total_bytes;
  const std::size_t most = chain.total_bytes + lane_slack(chain.total_bytes);
  for (int lanes = max_lanes; lanes > 1; lanes /= 2) {
    // Free places may all be too small when the block is as large as it may be, and it grows
    // beyond. The sooner ops wait for places instead, the closer the block comes to a single
    // lane's.
    for (const std::size_t limit : {most, most / 8 * 7, most / 4 * 3, most / 2, std::size_t{0}}) {
      LanePlan plan = Planner(record, lanes, limit).run();
      if (plan.total_bytes > most) continue;
      plan.chain_bytes = chain.total_bytes;
      return plan;
    }
  }
  return chain;
}

}  // namespace akimbo
