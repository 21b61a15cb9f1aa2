#include "engine/plan/program.h"

#include <unordered_map>

#include "engine/autograd/node.h"
#include "engine/core/error.h"

namespace akimbo::plan {
namespace {

// Values by their memory: the recorder keeps every map alive, so no two share an address.
class ValueTable {
 public:
  ValueId add(const Tensor& tensor) {
    const auto [found, is_new] = ids_.emplace(address(tensor), count_);
    if (is_new) ++count_;
    return found->second;
  }
  // kAbsent if no step made it.
  [[nodiscard]] ValueId find(const Tensor& tensor) const {
    const auto found = ids_.find(address(tensor));
    return found == ids_.end() ? kAbsent : found->second;
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  static const void* address(const Tensor& tensor) { return tensor.raw(); }
  std::unordered_map<const void*, ValueId> ids_;
  int count_ = 0;
};

// Names of layers by the address of their weight.
class LayerNames {
 public:
  explicit LayerNames(const NamedTensors& parameters) {
    for (const auto& [name, tensor] : parameters) {
      names_.emplace(tensor.raw(), name.substr(0, name.rfind('.')));
    }
  }
  std::string of(const trace::Step& step) {
    const Tensor weight = step.constant("weight");
    const auto found = weight.defined() ? names_.find(weight.raw()) : names_.end();
    if (found != names_.end()) return found->second;
    return step.op + "_" + std::to_string(++counts_[step.op]);
  }

 private:
  std::unordered_map<const void*, std::string> names_;
  std::unordered_map<std::string, int> counts_;
};

ValueId known_value(const ValueTable& values, const Tensor& tensor, const std::string& reader) {
  const ValueId id = values.find(tensor);
  if (id != kAbsent) return id;
  throw_error<Error>(
      "[plan] {} reads a map {} made by an op that cannot be traced; let that op note itself "
      "(engine/core/trace.h)",
      reader, tensor.shape().str());
}

}  // namespace

std::vector<int> Program::makers() const {
  std::vector<int> makers(static_cast<std::size_t>(num_values), -1);
  for (std::size_t i = 0; i < nodes.size(); ++i) makers[nodes[i].output] = static_cast<int>(i);
  return makers;
}

std::vector<int> Program::num_readers() const {
  std::vector<int> readers(static_cast<std::size_t>(num_values), 0);
  for (const Node& node : nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kAbsent) ++readers[id];
    }
  }
  for (const auto& [name, id] : outputs) ++readers[id];
  return readers;
}

Program trace_network(const Forward& forward, const Shape& input, DType dtype, Device device,
                      const NamedTensors& parameters) {
  const autograd::NoGrad no_grad;
  Program program;
  program.input = Tensor::empty(input, dtype, device);
  trace::Recorder recorder;
  program.output_tensors = forward(program.input);

  ValueTable values;
  LayerNames names(parameters);
  values.add(program.input);
  for (trace::Step& step : recorder.steps) {
    Node node{.step = std::move(step), .layer = {}, .inputs = {}};
    node.layer = names.of(node.step);
    for (const Tensor& tensor : node.step.inputs) {
      node.inputs.push_back(tensor.defined() ? known_value(values, tensor, node.layer) : kAbsent);
    }
    node.output = values.add(node.step.output);
    program.nodes.push_back(std::move(node));
  }
  for (const auto& [name, tensor] : program.output_tensors) {
    program.outputs.emplace_back(name, known_value(values, tensor, "output \"" + name + "\""));
  }
  program.num_values = values.count();
  return program;
}

std::int64_t count_macs(const trace::Step& step) {
  const Tensor weight = step.constant("weight");
  if (!weight.defined()) return 0;
  // Each output of a convolution, each input of a transposed one, meets every tap.
  const Tensor& pixels = step.op == "conv_transpose2d" ? step.inputs[0] : step.output;
  return pixels.numel() / pixels.dim(-1) * weight.numel();
}

}  // namespace akimbo::plan
