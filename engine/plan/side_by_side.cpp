#include "engine/plan/side_by_side.h"

#include <algorithm>

namespace akimbo::plan {
namespace {

// The nodes that make a node's inputs.
std::vector<int> sources_of(const Node& node, const std::vector<int>& makers) {
  std::vector<int> sources;
  for (const ValueId id : node.inputs) {
    if (id > 0 && makers[id] >= 0) sources.push_back(makers[id]);
  }
  return sources;
}

class LaneChooser {
 public:
  LaneChooser(const StepOrder& order, int max_lanes) : order_(order), max_lanes_(max_lanes) {}

  int choose(int node, const std::vector<int>& sources) {
    int lane = lane_ending_in(sources);
    if (lane < 0) lane = lane_before(node);
    if (lane < 0 && num_lanes() < max_lanes_) {
      tails_.push_back(-1);
      lane = num_lanes() - 1;
    }
    if (lane < 0) {
      lane = static_cast<int>(std::min_element(tails_.begin(), tails_.end()) - tails_.begin());
    }
    tails_[lane] = node;
    return lane;
  }
  [[nodiscard]] int num_lanes() const { return static_cast<int>(tails_.size()); }

 private:
  [[nodiscard]] int lane_ending_in(const std::vector<int>& sources) const {
    for (int lane = 0; lane < num_lanes(); ++lane) {
      if (std::find(sources.begin(), sources.end(), tails_[lane]) != sources.end()) return lane;
    }
    return -1;
  }
  [[nodiscard]] int lane_before(int node) const {
    for (int lane = 0; lane < num_lanes(); ++lane) {
      if (tails_[lane] >= 0 && order_.is_before(tails_[lane], node)) return lane;
    }
    return -1;
  }

  const StepOrder& order_;
  int max_lanes_;
  std::vector<int> tails_;  // the last node of each lane
};

}  // namespace

StepOrder::StepOrder(const Program& program) {
  const std::size_t count = program.nodes.size();
  const std::vector<int> makers = program.makers();
  before_.assign(count, std::vector<bool>(count, false));
  for (std::size_t i = 0; i < count; ++i) {
    for (const int source : sources_of(program.nodes[i], makers)) {
      before_[i][source] = true;
      for (int j = 0; j < source; ++j) {
        if (before_[source][j]) before_[i][j] = true;
      }
    }
  }
}

std::vector<std::vector<int>> step_graph(const Program& program) {
  const std::vector<int> makers = program.makers();
  std::vector<std::vector<int>> graph;
  for (const Node& node : program.nodes) graph.push_back(sources_of(node, makers));
  return graph;
}

LaneSchedule schedule_lanes(const Program& program, const StepOrder& order, int max_lanes) {
  const std::vector<int> makers = program.makers();
  LaneSchedule schedule;
  LaneChooser chooser(order, max_lanes);
  // By node and lane: the last node of the lane that is done when the node begins.
  std::vector<std::vector<int>> known;
  std::vector<std::vector<int>> of_lane(static_cast<std::size_t>(max_lanes));  // its nodes
  for (int i = 0; i < static_cast<int>(program.nodes.size()); ++i) {
    std::vector<int> sources = sources_of(program.nodes[i], makers);
    const int lane = chooser.choose(i, sources);
    std::vector<int> done(static_cast<std::size_t>(max_lanes), -1);
    const auto learn = [&](int node) {
      for (int l = 0; l < max_lanes; ++l) done[l] = std::max(done[l], known[node][l]);
      done[schedule.lane[node]] = std::max(done[schedule.lane[node]], node);
    };
    if (!of_lane[lane].empty()) learn(of_lane[lane].back());
    std::sort(sources.rbegin(), sources.rend());  // the latest tells most
    std::vector<int> waits;
    for (const int source : sources) {
      if (done[schedule.lane[source]] >= source) continue;
      waits.push_back(source);
      learn(source);
    }
    of_lane[lane].push_back(i);
    schedule.lane.push_back(lane);
    schedule.waits.push_back(std::move(waits));
    known.push_back(std::move(done));
  }
  schedule.num_lanes = std::max(1, chooser.num_lanes());
  return schedule;
}

}  // namespace akimbo::plan
