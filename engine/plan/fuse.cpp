#include "engine/plan/fuse.h"

#include <algorithm>
#include <utility>

#include "engine/ops/resample.h"

namespace akimbo::plan {
namespace {

bool is_conv(const Node& node) {
  return node.step.op == "conv2d" || node.step.op == "conv_transpose2d";
}

class Fuser {
 public:
  explicit Fuser(Program& program)
      : program_(program),
        makers_(program.makers()),
        readers_(program.num_readers()),
        dropped_(program.nodes.size(), false) {}

  void run() {
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const std::string& op = program_.nodes[i].step.op;
      if (op == "add") fuse_add(i);
      if (op == "relu") fuse_relu(i);
    }
    sort();
  }

 private:
  // The node that makes the value, if nobody else reads it; else null.
  Node* sole_maker(ValueId value) {
    const int maker = makers_[value];
    return maker >= 0 && readers_[value] == 1 ? &program_.nodes[maker] : nullptr;
  }

  // Node `i` is no longer needed: `by` makes its value.
  void replace(std::size_t i, Node& by) {
    const ValueId value = program_.nodes[i].output;
    by.output = value;
    by.step.output = program_.nodes[i].step.output;
    makers_[value] = static_cast<int>(&by - program_.nodes.data());
    dropped_[i] = true;
  }

  void fuse_add(std::size_t i) {
    Node& add = program_.nodes[i];
    for (const int side : {1, 0}) {
      Node* resize = sole_maker(add.inputs[side]);
      if (resize != nullptr && resize->step.op == "resize") {
        add_resized(add, *resize, 1 - side);
        return;
      }
    }
    for (const int side : {0, 1}) {
      Node* conv = sole_maker(add.inputs[side]);
      if (conv == nullptr || !is_conv(*conv)) continue;
      if (!give_residual(*conv, add, 1 - side)) continue;
      replace(i, *conv);
      return;
    }
  }

  // add becomes relu(addend + resize(x)).
  void add_resized(Node& add, Node& resize, int addend) {
    dropped_[static_cast<std::size_t>(&resize - program_.nodes.data())] = true;
    add.inputs = {resize.inputs[0], add.inputs[addend]};
    add.step.inputs = {resize.step.inputs[0], add.step.inputs[addend]};
    add.step.op = "resize_add";
    add.step.options = {{"mode", resize.step.option("mode")}, {"relu", 0}};
    add.step.compute = [](const trace::Step& step, std::span<const Tensor> inputs, Tensor& y) {
      ops::resize_add(inputs[0], step.option("mode"), inputs[1], step.option("relu") != 0, y);
    };
  }

  // The other side of `add` goes to the first convolution of the chain of residuals that ends in
  // `last`. False if the chain begins with something else, or one of its sums passes a ReLU.
  bool give_residual(Node& last, const Node& add, int other) {
    Node* conv = &last;
    while (is_conv(*conv) && conv->step.option("relu") == 0) {
      if (conv->inputs[1] == kAbsent) {
        conv->inputs[1] = add.inputs[other];
        conv->step.inputs[1] = add.step.inputs[other];
        return true;
      }
      conv = sole_maker(conv->inputs[1]);
      if (conv == nullptr) return false;
    }
    return false;
  }

  void fuse_relu(std::size_t i) {
    Node* maker = sole_maker(program_.nodes[i].inputs[0]);
    if (maker == nullptr || !(is_conv(*maker) || maker->step.op == "resize_add")) return;
    maker->step.options["relu"] = 1;
    replace(i, *maker);
  }

  // Drops what was fused away, and puts every maker before its readers: a convolution may have got
  // a residual that was made after it. Otherwise the order stays.
  void sort() {
    std::vector<Node> sorted;
    std::vector<bool> placed(program_.nodes.size(), false);
    const auto place = [&](const auto& self, std::size_t i) -> void {
      if (placed[i]) return;
      placed[i] = true;
      for (const ValueId id : program_.nodes[i].inputs) {
        if (id != kAbsent && makers_[id] >= 0) self(self, static_cast<std::size_t>(makers_[id]));
      }
      sorted.push_back(std::move(program_.nodes[i]));
    };
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      if (!dropped_[i]) place(place, i);
    }
    program_.nodes = std::move(sorted);
  }

  Program& program_;
  std::vector<int> makers_;   // by value
  std::vector<int> readers_;  // by value
  std::vector<bool> dropped_;
};

}  // namespace

void fuse(Program& program) { Fuser(program).run(); }

}  // namespace akimbo::plan
