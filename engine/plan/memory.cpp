#include "engine/plan/memory.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace akimbo::plan {
namespace {

constexpr std::size_t kAlignment = 64;

struct Life {
  int first = 0, last = -1;  // nodes; of the input and of unused values last < first
  std::vector<int> users;    // nodes that make and read it
  std::size_t bytes = 0;
  std::size_t offset = 0;
};

std::vector<Life> lives_of(const Program& program) {
  std::vector<Life> lives(static_cast<std::size_t>(program.num_values));
  const int end = static_cast<int>(program.nodes.size());
  for (int i = 0; i < end; ++i) {
    const Node& node = program.nodes[i];
    for (const ValueId id : node.inputs) {
      if (id == kAbsent) continue;
      lives[id].last = i;
      lives[id].users.push_back(i);
    }
    const std::size_t bytes = node.step.output.num_bytes();
    lives[node.output] = {i, i, {i}, (bytes + kAlignment - 1) / kAlignment * kAlignment};
  }
  for (const auto& [name, id] : program.outputs) lives[id].last = end;
  return lives;
}

// Who lives at the same time as whom.
class Times {
 public:
  Times(const Program& program, const StepOrder* order)
      : order_(order), end_(static_cast<int>(program.nodes.size())) {}

  // All that `life` is used for is over when node i begins, but for what i itself does with it.
  [[nodiscard]] bool is_over(const Life& life, int i) const {
    if (order_ == nullptr) return life.last <= i;
    return life.last < end_ && std::all_of(life.users.begin(), life.users.end(), [&](int user) {
             return user == i || order_->is_before(user, i);
           });
  }
  [[nodiscard]] bool overlap(const Life& a, const Life& b) const {
    if (order_ == nullptr) return a.first <= b.last && b.first <= a.last;
    return !ends_before(a, b) && !ends_before(b, a);
  }

 private:
  [[nodiscard]] bool ends_before(const Life& a, const Life& b) const {
    return is_over(a, b.first) &&
           std::find(a.users.begin(), a.users.end(), b.first) == a.users.end();
  }

  const StepOrder* order_;  // null: steps run one after another
  int end_;
};

// The input that the step may write over, as a position; -1 if there is none.
int overwritable_input(const trace::Step& step) {
  constexpr std::string_view kElementwise[] = {"add", "sub", "mul", "div", "relu", "sigmoid"};
  if (step.op == "resize_add") return 1;
  return std::find(std::begin(kElementwise), std::end(kElementwise), step.op) !=
                 std::end(kElementwise)
             ? 0
             : -1;
}

// Values that take over the memory of another, by value; itself where none does. The lives of the
// joined values become one.
std::vector<ValueId> join_values(const Program& program, const Times& times,
                                 std::vector<Life>& lives) {
  std::vector<ValueId> owner(lives.size());
  std::iota(owner.begin(), owner.end(), 0);
  for (int i = 0; i < static_cast<int>(program.nodes.size()); ++i) {
    const Node& node = program.nodes[i];
    const int input = overwritable_input(node.step);
    if (input < 0 || node.inputs[input] <= 0) continue;  // absent, or the program's input
    const ValueId before = node.inputs[input], after = node.output;
    Life& joined = lives[owner[before]];
    if (!times.is_over(lives[before], i) || lives[before].bytes != lives[after].bytes) continue;
    owner[after] = owner[before];
    joined.last = std::max(joined.last, lives[after].last);
    joined.users.insert(joined.users.end(), lives[after].users.begin(), lives[after].users.end());
  }
  return owner;
}

std::size_t lowest_place(const std::vector<const Life*>& placed, const Times& times,
                         const Life& life) {
  std::vector<const Life*> neighbours;
  for (const Life* other : placed) {
    if (times.overlap(*other, life)) neighbours.push_back(other);
  }
  std::sort(neighbours.begin(), neighbours.end(),
            [](const Life* a, const Life* b) { return a->offset < b->offset; });
  std::size_t offset = 0;
  for (const Life* other : neighbours) {
    if (offset + life.bytes <= other->offset) break;
    offset = std::max(offset, other->offset + other->bytes);
  }
  return offset;
}

}  // namespace

MemoryPlan plan_memory(const Program& program, const StepOrder* side_by_side) {
  std::vector<Life> lives = lives_of(program);
  const Times times(program, side_by_side);
  const std::vector<ValueId> owner = join_values(program, times, lives);
  MemoryPlan plan;
  std::vector<Life*> order;
  for (ValueId id = 1; id < program.num_values; ++id) {
    plan.sum_bytes += lives[id].bytes;
    if (owner[id] == id && lives[id].bytes > 0) order.push_back(&lives[id]);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Life* a, const Life* b) { return a->bytes > b->bytes; });
  std::vector<const Life*> placed;
  for (Life* life : order) {
    life->offset = lowest_place(placed, times, *life);
    placed.push_back(life);
    plan.total_bytes = std::max(plan.total_bytes, life->offset + life->bytes);
  }
  for (const ValueId id : owner) plan.offsets.push_back(lives[id].offset);
  return plan;
}

}  // namespace akimbo::plan
