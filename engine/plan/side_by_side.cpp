#include "engine/plan/side_by_side.h"

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

LaneSchedule schedule_lanes(const Program& program, int max_lanes) {
  LaneScheduler scheduler(max_lanes);
  for (const std::vector<int>& sources : step_graph(program)) scheduler.begin(sources);
  return scheduler.schedule();
}

}  // namespace akimbo::plan
