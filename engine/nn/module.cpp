#include "engine/nn/module.h"

#include <unordered_map>
#include <unordered_set>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace akimbo::nn {
namespace {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

std::string problems_of(const Module::LoadReport& report, const NamedTensors& own,
                        const NamedTensors& source) {
  std::vector<std::string> own_names;
  for (const auto& [name, tensor] : own) own_names.push_back(name);
  std::string text;
  for (const std::string& line : report.mis_shaped) text += "\n  shape differs: " + line;
  for (const std::string& name : report.missing) text += "\n  missing: " + name;
  for (const std::string& name : report.unexpected) {
    const std::string nearest = nearest_name(name, own_names);
    text += "\n  unexpected: " + name + (nearest.empty() ? "" : " (nearest: " + nearest + ")");
  }
  return fmt::format("{} of {} tensors fit{}", report.loaded.size(), source.size(), text);
}

}  // namespace

void Module::register_parameter(std::string name, Tensor& member) {
  member.set_requires_grad();
  slots_.push_back({.name = std::move(name), .parameter = &member});
}

void Module::register_buffer(std::string name, Tensor& member) {
  slots_.push_back({.name = std::move(name), .buffer = &member});
}

void Module::register_module(std::string name, Module& child) {
  slots_.push_back({.name = std::move(name), .child = &child});
}

void Module::register_inline(Module& child) { slots_.push_back({.name = "", .child = &child}); }

std::string Module::child_prefix(const std::string& prefix, const Slot& slot) {
  return slot.name.empty() ? prefix : prefix + slot.name + ".";
}

void Module::collect(const std::string& prefix, Kind kind, NamedTensors& out) const {
  for (const Slot& slot : slots_) {
    if (slot.parameter && kind != Kind::buffer)
      out.emplace_back(prefix + slot.name, *slot.parameter);
    if (slot.buffer && kind != Kind::parameter) out.emplace_back(prefix + slot.name, *slot.buffer);
    if (slot.child) slot.child->collect(child_prefix(prefix, slot), kind, out);
  }
}

NamedTensors Module::named_parameters() const {
  NamedTensors out;
  collect("", Kind::parameter, out);
  return out;
}

NamedTensors Module::named_buffers() const {
  NamedTensors out;
  collect("", Kind::buffer, out);
  return out;
}

NamedTensors Module::state() const {
  NamedTensors out;
  collect("", Kind::both, out);
  return out;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> out;
  for (auto& [name, tensor] : named_parameters()) out.push_back(tensor);
  return out;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> out;
  collect_modules("", out);
  return out;
}

void Module::collect_modules(const std::string& prefix,
                             std::vector<std::pair<std::string, Module*>>& out) {
  out.emplace_back(prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1), this);
  for (const Slot& slot : slots_) {
    if (slot.child) slot.child->collect_modules(child_prefix(prefix, slot), out);
  }
}

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for (const Tensor& tensor : parameters()) count += tensor.numel();
  return count;
}

Module::LoadReport Module::load_state(NamedTensors source, bool strict, const std::string& where) {
  NamedTensors own = state();
  std::unordered_map<std::string, Tensor*> by_name;
  for (auto& [name, tensor] : source) by_name.emplace(name, &tensor);
  LoadReport report;
  std::vector<std::pair<Tensor, Tensor*>> copies;
  std::unordered_set<std::string> known;
  for (auto& [name, tensor] : own) {
    known.insert(name);
    const auto it = by_name.find(name);
    if (it == by_name.end()) {
      report.missing.push_back(name);
    } else if (!(it->second->shape() == tensor.shape())) {
      report.mis_shaped.push_back(fmt::format("{} is {} in the file, {} in the network", name,
                                              it->second->shape().str(), tensor.shape().str()));
    } else {
      report.loaded.push_back(name);
      copies.emplace_back(tensor, it->second);
    }
  }
  for (const auto& [name, tensor] : source) {
    if (!known.contains(name)) report.unexpected.push_back(name);
  }
  const bool complete =
      report.missing.empty() && report.unexpected.empty() && report.mis_shaped.empty();
  if (strict && !complete) {
    throw_error<FileError>(
        "[load] {} does not fit the network: {}\nuse the config that the file was trained with",
        where, problems_of(report, own, source));
  }
  for (auto& [tensor, from] : copies) tensor.take(std::move(*from));
  return report;
}

void Module::train(bool training) {
  training_ = training;
  for (const Slot& slot : slots_) {
    if (slot.child) slot.child->train(training);
  }
}

void Module::zero_grad() {
  for (Tensor& tensor : parameters()) tensor.set_grad(Tensor());
}

void Module::to(DType dtype) {
  for (Slot& slot : slots_) {
    if (slot.parameter) *slot.parameter = slot.parameter->to(dtype).set_requires_grad();
    if (slot.buffer && is_floating(slot.buffer->dtype())) *slot.buffer = slot.buffer->to(dtype);
    if (slot.child) slot.child->to(dtype);
  }
}

void Module::to(Device device) {
  for (Slot& slot : slots_) {
    if (slot.parameter) *slot.parameter = slot.parameter->to(device).set_requires_grad();
    if (slot.buffer && is_floating(slot.buffer->dtype())) *slot.buffer = slot.buffer->to(device);
    if (slot.child) slot.child->to(device);
  }
}

}  // namespace akimbo::nn
