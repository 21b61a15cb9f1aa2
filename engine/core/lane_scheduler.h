// Which of several lanes (streams of a GPU, lanes.h) each step of some work runs in, and for which
// steps of other lanes it has to wait.
#pragma once

#include <vector>

namespace akimbo {

// By lane, the last step of it that is meant; -1: none.
using LaneClock = std::vector<int>;

struct LaneSchedule {
  int num_lanes = 1;
  std::vector<int> lane;                // of each step
  std::vector<std::vector<int>> waits;  // steps of other lanes that each step waits for
};

// A step goes on in the lane of a source, if it was that lane's last; else it takes a lane that it
// would come after anyhow; else the one that ends last before the sources do, so that those that
// end sooner stay for steps that can begin sooner; all steps are taken to last equally long. It
// waits for a step of another lane only where nothing that it comes after did.
class LaneScheduler {
 public:
  explicit LaneScheduler(int max_lanes);

  // Begins the next step (they are numbered from 0), which comes after the steps `sources`.
  void begin(std::vector<int> sources);
  // Of the step begun last: whether it comes after `step`, after all that a clock says.
  [[nodiscard]] bool is_after(int step) const;
  [[nodiscard]] bool is_after(const LaneClock& clock) const;
  // Makes it so.
  void wait(int step);
  void wait(const LaneClock& clock);

  [[nodiscard]] int max_lanes() const { return static_cast<int>(tails_.size()); }
  [[nodiscard]] const LaneSchedule& schedule() const { return schedule_; }

 private:
  [[nodiscard]] int choose(const std::vector<int>& sources) const;

  LaneSchedule schedule_;
  std::vector<int> tails_;        // the last step of each lane
  std::vector<LaneClock> known_;  // of each step: itself, and what comes before it
  std::vector<int> depths_;       // of each step: the longest path to it
};

}  // namespace akimbo
